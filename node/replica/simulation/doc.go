// Package simulation runs nodes, authors of layouts and clients in one goroutine from one
// seed, and checks after every step that nothing was lost (docs/replication.md). It is
// used by its own tests only.
//
// The state machine, the store, the reclaimer, the transfer, the rules of routing, the placement and
// the membership are the product's. What is made of chance: the network, the clocks, the author's storage,
// what is wished for, and who dies, stalls or is cut off when. What carries messages in a node (node/peers,
// node/router, node/replication) has goroutines and sockets; here its rules are written
// down once more as plain sequences.
//
//	queue.go        what happens next: events in the order of their time
//	task.go         sequences that wait: coroutines, of which one runs at any time
//	network.go      messages, late, lost, twice, out of order; partitions
//	oneway.go       ways that are open in one direction only
//	process.go      one life of a node; its clock, its layout, pauses and death
//	memory.go       a node's store, watched
//	serve.go        what a node answers
//	driver.go       what a node does by itself: beats, effects of the machine
//	contacts.go     who is there: beats, and pings of those who join
//	coordinator.go  a request of a client through the owners
//	transfer.go     copying by a member that joins
//	freeing.go      the reclaimer's questions
//	losing.go       keys whose values were lost
//	author.go       reads, decides, writes, reads back, pushes; what it sees
//	decide.go       which nodes and which layout follow; hosts made and taken away for it
//	durable.go      where layouts and the nodes' names are kept
//	hosts.go        places where processes live: made, told to stop, taken away
//	wish.go         what there should be, which changes
//	faults.go       what goes wrong
//	changing.go     what goes wrong while nodes come and go
//	clients.go      who writes and reads
//	history.go      what clients saw, for the checker of linearizability
//	invariants.go   what must hold after every step
//	planned.go      what must hold while nodes come and go
//	ending.go       everything is healed: all must be well soon
//	simulation.go   one seed from its beginning to its end
//
// A seed replays exactly: there is one source of randomness, no map is walked where the
// order matters, and only one coroutine runs at a time.
package simulation

// Package replica is a node's part in the order of entries: the state machine of
// docs/replication.md. It does no I/O, starts no goroutines and looks at no clock of its
// own. What happens comes in as calls, what is to be sent goes out as Effects, and the
// time is an argument: an instant of a monotonic clock, of which only differences count.
// node/replication drives it in a node, the simulation beside it in its tests.
//
//	machine.go    the Machine: its parts and its effects
//	adopt.go      a layout: leaving a view and entering the next
//	wake.go       a new primary: gather, order anew, activate
//	order.go      operations: judged, ordered, replicated, settled
//	backup.go     the other owners: accept, settle, tell what is unsettled
//	lease.go      leases of pairs of nodes, and the right to answer
//	read.go       what an active primary answers
//	refs.go       which values entries refer to
//	copying.go    a member that joins takes in entries
//	losses.go     values of slots that were given up
//
// Locks: a slot's guards that slot; leases and references have their own, which are
// taken last. Clocks that callers pass in are called without any of them.
package replica

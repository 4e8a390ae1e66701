// Package wire is what nodes say to each other on the peer port: the requests, their
// replies and how they are written as bytes. It is pure; node/peers carries it.
package wire

import "github.com/eiri/seppen/api/peer"

// The nodes' requests. The comment names the request's and the reply's types.
const (
	OpLookup      = peer.OpNode + iota // Lookup → Found; to the primary of the key's slot
	OpOrder                            // Write → Ordered; to the primary of the key's slot
	OpReplicate                        // Replicate → nothing; from a primary to its backups
	OpPlace                            // Place and the bytes → nothing; to an owner of the uid's slot
	OpTouch                            // Place without bytes → one byte, 1 if the value is there
	OpValue                            // a uid → the bytes; to an owner of the uid's slot
	OpList                             // List → Page; of the slots whose primary is asked
	OpRefs                             // Refs → Answers; to the primaries of the slots asked about
	OpHints                            // UIDs → nothing; from a primary to owners of the uids' slots
	OpBeat                             // Beat → Pulse; from a primary to its backups, who grant it a lease by answering
	OpSuspect                          // a uid whose copy was found corrupt → nothing; to the owner it came from
	OpGather                           // Gather → Gathered; from a waking primary to the slots' other owners
	OpEntries                          // Entries → EntryPage; to the active primary of the slot
	OpUIDs                             // UIDsAfter → UIDPage; to a serving owner of the slot
	OpFetch                            // UIDs → a body of Fetched values; to a serving owner of the uids' slots
	OpSomeEntries                      // SomeEntries → EntryPage; as OpEntries
	OpSomeUIDs                         // SomeUIDs → UIDPage; as OpUIDs
	OpCopy                             // Copy → a body in a Form; as OpFetch
)

// The nodes' outcomes, besides those of the connection.
const (
	CodeNotFound     = peer.CodeNode + iota // the key has no value
	CodePrecondition                        // the entry does not meet the conditions
	CodeNoMemory                            // the payload says whose limit was reached
	CodeUnknown                             // the write was ordered; whether it is everywhere is unknown
	CodeTicket                              // the ticket is too old or another incarnation's; nothing was done
	CodeGone                                // the owner has no such value
	CodeNotReady                            // not executed: it will be different in a moment, without a newer layout
)

// MaxInline is the largest value in bytes that travels in a frame. Larger ones are
// bodies.
const MaxInline = 64 << 10

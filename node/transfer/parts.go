package transfer

import (
	"context"
	"errors"
	"io"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/cores"
	"github.com/eiri/seppen/node/wire"
)

// ErrCorrupt: the bytes that came are not those that the uid names (§4.5).
var ErrCorrupt = errors.New("corrupt copy")

// Parts are what copying needs of the rest of a node.
type Parts struct {
	Self layout.ID
	// Table is the newest layout, nil if there is none; requests carry its epoch or a
	// newer one. The Machine has adopted it.
	Table   func() *layout.Table
	Source  Source
	Machine Machine
	Values  Values

	// What all slots share, see Copier. A slot that is alone has none of it. Hands bound how
	// many of them check and store bytes at a time; who waits for the network needs none.
	pace  *pace
	hands *cores.Hands
	meter *meter
}

// Source is the other members, see node/peers. Any error means that another one may
// answer, or the same one later. came is always how many bytes were sent, also if the rest
// was not.
type Source interface {
	// Entries returns the committed entries of a slot that follow a key.
	Entries(ctx context.Context, m *layout.Member, q *wire.SomeEntries) (page wire.EntryPage, came int64, err error)
	// UIDs returns the values of a slot that follow a uid.
	UIDs(ctx context.Context, m *layout.Member, q *wire.SomeUIDs) (page wire.UIDPage, came int64, err error)
	// Fetch calls each for all the uids in their order, with the value's size and bytes, or
	// with a negative size if the owner does not have it. They have `most` bytes at most. Before it
	// fails it does so for those that came. It stops at an error of each and returns it.
	Fetch(ctx context.Context, m *layout.Member, q *wire.Copy, most int64, each func(u uid.UID, size int64, b []byte) error) (came int64, err error)
	// FetchPart gives a writer the bytes of a value of total bytes that the question is about,
	// or all from there on, and returns how many the owner's copy has; negative if there is none,
	// and nothing is written unless they are total. It stops at an error of the writer and returns it.
	FetchPart(ctx context.Context, m *layout.Member, q *wire.Copy, total int64, w io.Writer) (size, came int64, err error)
	// Suspect tells an owner that its copy of a value was corrupt.
	Suspect(ctx context.Context, m *layout.Member, u uid.UID)
}

// Machine is the node's part in the order of entries, see node/replica.
type Machine interface {
	// OpenCopy begins to copy a slot in the slot's view; from now on tombstones are kept.
	// ok is false if there is nothing to be copied: everything is here, or this node is
	// not attached.
	OpenCopy(slot uint8) (view uint64, ok bool)
	// TakePage takes over the entries of the page that follows a key. It fails if the view
	// is not the slot's any more; to a member that is joining, views are 0.
	TakePage(slot uint8, view uint64, after string, p *wire.EntryPage) error
	// EntriesCopied and ValuesCopied tell that all of the slot was copied in the view. They
	// fail if the view is not the slot's any more.
	EntriesCopied(slot uint8, view uint64) error
	ValuesCopied(slot uint8, view uint64) error
	// Copied tells that a member that is joining has copied all of the slot once.
	Copied(slot uint8)
}

// Values is where copies are kept, see Memory.
type Values interface {
	// Room tells whether entries of so many bytes find room.
	Room(bytes int64) bool
	// Touch tells whether a value is here, and protects it as a placed one.
	Touch(u uid.UID, witness uint8) bool
	// Take keeps bytes as the value. It fails with ErrCorrupt if they are another's, and with
	// kv.ErrNoMemory if they find no room.
	Take(v wire.ValueInfo, b []byte) error
	// Begin takes memory for a value that comes in parts. It fails with kv.ErrNoMemory.
	Begin(v wire.ValueInfo) (Partial, error)
}

// Partial is a value of which some bytes are here. It ends with Finish or Discard.
type Partial interface {
	io.Writer // the next bytes
	// Finish keeps the value, or fails with ErrCorrupt if the bytes are another's.
	Finish() error
	// Discard gives the memory back.
	Discard()
}

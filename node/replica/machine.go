package replica

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

const (
	// TicketAge is how many seconds old a ticket may be when its write is ordered. Values
	// that were placed within it are never freed (see node/reclaim).
	TicketAge = 3
	// Lease is for how many seconds a lease is granted.
	Lease = 3

	// What failed is sent again after so many thousandths of a second, at first and at last.
	retryMin, retryMax = 50, 1000
)

// ErrTicket: the write's ticket is too old or another incarnation's, or the owners of its
// value changed. Nothing was done; the value must be placed again with a fresh one (F26).
var ErrTicket = errors.New("ticket expired")

// Entries is the memory that a Machine orders, see node/store.
type Entries interface {
	Entry(slot uint8, key string) (kv.Entry, bool)
	Apply(slot uint8, e *kv.Entry) (prev kv.Entry, hadPrev, applied bool)
	Forget(slot uint8, key string, v kv.Version) bool
	Remove(slot uint8, key string, v kv.Version) bool
	Clear(slot uint8)
	// Entries calls yield for the slot's entries with keys above after, in their order,
	// tombstones too, until it returns false.
	Entries(slot uint8, after string, yield func(*kv.Entry) bool)
	Refers(u uid.UID, in *[layout.Slots]bool) (slot uint8, ok bool)
	Room(bytes int64) bool // see store.Room
}

// Options are a Machine's parts.
type Options struct {
	Self    layout.ID
	Entries Entries
	// Ready returns nil if an owner is there and has room for an entry whose key and content
	// type have so many bytes, else kv.ErrUnavailable or kv.ErrNoMemory. It must not block.
	Ready func(m *layout.Member, bytes int64) error
	// Tick is this node's clock as it stands in its tickets, in milliseconds.
	Tick func() uint64
	Wall func() time.Time // wall clock, for Modified
	// Second is the length of a second of all times here; tests have short ones.
	Second time.Duration
}

// Machine is a node's part in the order of all slots. It is safe for concurrent use.
type Machine struct {
	opt    Options
	slots  [layout.Slots]slot
	leases leases
	busy   pendingRefs
	losses losses
}

// slot is one slot's state in all roles; its lock guards all of it.
type slot struct {
	n  uint8
	mu sync.Mutex

	view    uint64
	loss    uint64        // the newest that this node has heard of
	begins  time.Duration // after a loss nobody is active before
	primary *layout.Member
	others  []*layout.Member // of W, without this node
	owner   bool             // this node is in W
	// standing is what readers need of the above, to be read without the lock.
	standing atomic.Pointer[standing]

	waking  *waking     // this node is the primary and not active yet
	earlier []layout.ID // primaries followed since one was last known to be active, this node left out
	order   order
	backup  backup
	copying copying
}

// Effects is what is to be done after a call. Whatever becomes of it is told with
// Replicated and Gathered, once each.
type Effects struct {
	Replicates []*Replicate
	Gathers    []*Gather
	Dropped    []uid.UID // values that no entry here refers to any more
	Activated  bool      // this node has become the active primary of a slot
}

// Replicate is an operation on its way to one owner.
type Replicate struct {
	To  *layout.Member
	Msg wire.Replicate
	op  *Op
}

// Gather is a question to one owner of slots that this node takes over.
type Gather struct {
	To *layout.Member
	wire.Gather
}

// New returns a Machine that owns nothing until a layout is adopted.
func New(opt Options) *Machine {
	m := &Machine{opt: opt}
	for i := range m.slots {
		m.slots[i].n = uint8(i)
		m.slots[i].standing.Store(&standing{})
	}
	return m
}

// Tick does what has become due: what failed is sent again, leases that were waited for
// run out, owners hear of values that refused writes leave behind.
func (m *Machine) Tick(now time.Duration) Effects {
	fx := Effects{Dropped: m.busy.takeLeft()}
	for i := range m.slots {
		s := &m.slots[i]
		s.mu.Lock()
		if s.waking != nil {
			m.ask(s, now, &fx)
			m.progress(s, now, &fx)
		}
		if len(s.order.pending) > 0 {
			m.resend(s, now, &fx)
		}
		s.mu.Unlock()
	}
	return fx
}

// backoff is when to try again what failed so often.
func (m *Machine) backoff(failures int) time.Duration {
	return time.Duration(min(retryMin<<min(failures, 10), retryMax)) * m.opt.Second / 1000
}

package transfer

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/cores"
	"github.com/eiri/seppen/node/wire"
)

// busy are values and a machine that need a second for what comes, and count for how many at once.
type busy struct {
	*story
	mu        sync.Mutex
	now, most int
}

func (b *busy) work() {
	b.mu.Lock()
	b.now++
	b.most = max(b.most, b.now)
	b.mu.Unlock()
	time.Sleep(time.Second)
	b.mu.Lock()
	b.now--
	b.mu.Unlock()
}

func (b *busy) Take(v wire.ValueInfo, bytes []byte) error {
	b.work()
	return b.story.Take(v, bytes)
}

func (b *busy) TakePage(slot uint8, view uint64, after string, p *wire.EntryPage) error {
	b.work()
	return b.story.TakePage(slot, view, after, p)
}

func (b *busy) Begin(v wire.ValueInfo) (Partial, error) {
	p, err := b.story.Begin(v)
	return &busyPart{p, b}, err
}

type busyPart struct {
	Partial
	b *busy
}

func (p *busyPart) Write(bytes []byte) (int, error) {
	p.b.work()
	return p.Partial.Write(bytes)
}

func (p *busyPart) Finish() error {
	p.b.work()
	return p.Partial.Finish()
}

// TestHands: what comes is checked and stored by as many at a time as half of the cores if clients
// ask for something, and else as all of them, whatever it is, and the others ask for the next
// meanwhile.
func TestHands(t *testing.T) {
	before := runtime.GOMAXPROCS(4)
	defer runtime.GOMAXPROCS(before)
	t.Run("nobody asks", func(t *testing.T) { testHands(t, false, 4) })
	t.Run("a client asks", func(t *testing.T) { testHands(t, true, 2) })
}

func testHands(t *testing.T, asked bool, want int) {
	s := newStory(outside())
	for slot := range s.values {
		s.values[slot] = []byte{1, 2}
	}
	s.values[9], s.values[10], s.values[11] = []byte{1, 254}, []byte{253}, []byte{255}
	b := &busy{story: s}
	var clients cores.Clients
	if asked {
		clients.Asked()
	}
	synctest.Test(t, func(t *testing.T) {
		parts := s.parts()
		parts.Values, parts.Machine = b, b
		cp := New(Options{Parts: *parts, Clients: &clients, Log: slog.New(slog.DiscardHandler)})
		cp.SetLimit(100_000 * share) // some values come in parts
		s.adopt(cp, table(2, 2, layout.Joining, a))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		cp.Run(ctx)
	})
	s.allCopied(t, 1)
	if b.most != want {
		t.Errorf("%d at once, want %d", b.most, want)
	}
}

package transfer

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// counted is the story as a source that answers after a moment, and what it sends when.
type counted struct {
	*story
	shrink int64 // what comes is compressed to so many percent
	mu     sync.Mutex
	sent   []sent
}

type sent struct {
	at    time.Time
	bytes int64
}

func (s *counted) count(came int64) int64 {
	time.Sleep(time.Millisecond) // on its way
	s.mu.Lock()
	defer s.mu.Unlock()
	came = came * s.shrink / 100
	s.sent = append(s.sent, sent{time.Now(), came})
	return came
}

// again begins to count anew, and says how many answers there were.
func (s *counted) again() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.sent)
	s.sent = nil
	return n
}

// most is the largest sum of what came in a time of some length, and least the smallest of one
// between the first and the last.
func (s *counted) most(length time.Duration) (most, least int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.sent[len(s.sent)-1].at
	least = 1 << 62
	for i := range s.sent {
		sum := int64(0)
		for _, o := range s.sent[i:] {
			if o.at.Sub(s.sent[i].at) >= length {
				break
			}
			sum += o.bytes
		}
		if most = max(most, sum); !s.sent[i].at.Add(length).After(end) {
			least = min(least, sum)
		}
	}
	return most, least
}

func (s *counted) Entries(ctx context.Context, m *layout.Member, q *wire.SomeEntries) (wire.EntryPage, int64, error) {
	p, came, err := s.story.Entries(ctx, m, q)
	return p, s.count(came), err
}

func (s *counted) UIDs(ctx context.Context, m *layout.Member, q *wire.SomeUIDs) (wire.UIDPage, int64, error) {
	p, came, err := s.story.UIDs(ctx, m, q)
	return p, s.count(came), err
}

func (s *counted) Fetch(ctx context.Context, m *layout.Member, q *wire.Copy, most int64, each func(uid.UID, int64, []byte) error) (int64, error) {
	came, err := s.story.Fetch(ctx, m, q, most, each)
	return s.count(came), err
}

func (s *counted) FetchPart(ctx context.Context, m *layout.Member, q *wire.Copy, total int64, w io.Writer) (int64, int64, error) {
	size, came, err := s.story.FetchPart(ctx, m, q, total, w)
	return size, s.count(came), err
}

// limited runs a copier with much to copy, entries and values of all sizes. The limit holds from its
// first question on.
func limited(t *testing.T, phase layout.Phase, limit, shrink int64, test func(*Copier, *counted)) {
	synctest.Test(t, func(t *testing.T) {
		src := &counted{story: newStory(outside()), shrink: shrink}
		for slot := range src.values {
			src.values[slot] = []byte{1, 2, 3, 90, 91, 92, 200, 201, 202, 203}
		}
		for i := range 10 {
			src.entries = append(src.entries, string(rune('a'+i)))
		}
		parts := src.parts()
		parts.Source = src
		cp := New(Options{Parts: *parts, Log: slog.New(slog.DiscardHandler)})
		cp.SetLimit(limit)
		src.adopt(cp, table(2, 2, phase, a, b))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			cp.Run(ctx)
		}()
		test(cp, src)
		cancel()
		end := time.Now()
		<-done
		if took := time.Since(end); took > time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

// TestLimit: what comes on the wire, entries and values, compressed or not, keeps to the limit in
// any second within a tenth, in short bursts, also where it is far below a value's size.
func TestLimit(t *testing.T) {
	for name, test := range map[string]struct {
		phase  layout.Phase
		limit  int64
		shrink int64
	}{
		"joining":    {layout.Joining, 1 << 20, 100},
		"attached":   {layout.Attached, 1 << 20, 100},
		"compressed": {layout.Joining, 1 << 20, 20},
		"low":        {layout.Attached, 50_000, 100},
		"high":       {layout.Joining, 10 << 20, 100},
	} {
		t.Run(name, func(t *testing.T) {
			limited(t, test.phase, test.limit, test.shrink, func(_ *Copier, src *counted) {
				time.Sleep(6 * time.Second)
				if most, least := src.most(time.Second); most > test.limit*11/10 || least < test.limit*9/10 {
					t.Errorf("%d to %d bytes in a second, the limit is %d", least, most, test.limit)
				}
				if most, _ := src.most(time.Second / 100); most > test.limit/10 {
					t.Errorf("%d bytes at once, the limit is %d a second", most, test.limit)
				}
			})
		})
	}
}

// TestLimitIsSetWhileItCopies: who waits for a low limit does not wait on when it is raised or
// taken away, and a new one holds from then on.
func TestLimitIsSetWhileItCopies(t *testing.T) {
	limited(t, layout.Attached, 1, 100, func(cp *Copier, src *counted) {
		time.Sleep(time.Minute)
		if n := src.again(); n == 0 || n > 5 {
			t.Errorf("%d answers in a minute of one byte a second", n)
		}
		cp.SetLimit(1 << 20)
		time.Sleep(3 * time.Second)
		if most, least := src.most(time.Second); most > 11<<20/10 || least < 9<<20/10 {
			t.Errorf("after the limit was raised: %d to %d bytes in a second", least, most)
		}
		cp.SetLimit(1)
		cp.SetLimit(0)
		time.Sleep(time.Minute)
		if cp.Left() != 0 || cp.Stuck() != "" {
			t.Errorf("without a limit: %d bytes are left, %s", cp.Left(), cp.Stuck())
		}
		src.story.mu.Lock()
		defer src.story.mu.Unlock()
		for slot := range layout.Slots {
			if src.copied[uint8(slot)] != 2 {
				t.Fatalf("slot %d is not complete", slot)
			}
		}
	})
}

// TestLimitEnds: who waits for a limit does not hold up the end.
func TestLimitEnds(t *testing.T) {
	limited(t, layout.Joining, 1, 100, func(*Copier, *counted) {
		time.Sleep(time.Minute)
	})
}

// TestPaceOrder: those who wait go on in the order in which they came.
func TestPaceOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		p.SetLimit(1000)
		_, _ = p.Wait(t.Context(), 1000)
		var mu sync.Mutex
		var order []int
		for i := range 10 {
			go func() {
				if _, err := p.Wait(t.Context(), 100); err == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for i, n := range order {
			if i != n {
				t.Fatalf("order %v", order)
			}
		}
		if len(order) != 10 {
			t.Errorf("order %v", order)
		}
	})
}

// TestLimitIsSetMeanwhile: what was asked for without a limit counts when it comes, and gives
// nothing back that was not taken.
func TestLimitIsSetMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace()
		began := time.Now()
		waited, _ := p.Wait(t.Context(), 1000)
		p.SetLimit(1000)
		p.Came(waited, 200)
		_, _ = p.Wait(t.Context(), 1)
		if took := time.Since(began).Round(time.Millisecond); took != 200*time.Millisecond {
			t.Errorf("the next one waited %v", took)
		}
	})
}

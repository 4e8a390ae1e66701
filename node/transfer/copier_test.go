package transfer

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/wire"
)

// bubble starts a Copier of the story in a bubble of its own time.
func bubble(t *testing.T, s *story, test func(*Copier)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cp := New(Options{Parts: *s.parts(), Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			cp.Run(ctx)
		}()
		test(cp)
		cancel()
		<-done
	})
}

// adopt has the machine, the copier and then the whole node follow a layout.
func (s *story) adopt(cp *Copier, t *layout.Table) {
	s.mu.Lock()
	s.view = t.Owners(0).View
	s.mu.Unlock()
	cp.Adopt(t)
	s.mu.Lock()
	s.table = t
	s.mu.Unlock()
}

func (s *story) saidSo(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.log {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	return n
}

func (s *story) allCopied(t *testing.T, times int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot := range layout.Slots {
		if s.copied[uint8(slot)] != times {
			t.Errorf("slot %d: %d", slot, s.copied[uint8(slot)])
			return
		}
	}
}

// TestJoin: a member copies everything once while it is joining, and again, but for the
// values that it has, once it is attached; then there is nothing left to do.
func TestJoin(t *testing.T) {
	s := newStory(outside())
	for slot := range s.values {
		s.values[slot] = []byte{1, 2, 3, 4}
	}
	bubble(t, s, func(cp *Copier) {
		if cp.Left() != 0 || cp.Stuck() != "" {
			t.Errorf("without a layout: %d left, %q", cp.Left(), cp.Stuck())
		}
		s.adopt(cp, table(2, 1, layout.Joining, a, b))
		if cp.Left() == 0 {
			t.Error("nothing is left before anything was copied")
		}
		synctest.Wait()
		time.Sleep(adoptWait)
		synctest.Wait()
		s.allCopied(t, 1)
		if p, want := cp.Progress(), (Progress{Bytes: 10 * 256, Values: 4 * 256}); p != want || cp.Left() != 0 {
			t.Errorf("joined: %+v, want %+v; %d bytes are left", p, want, cp.Left())
		}
		s.adopt(cp, table(3, 3, layout.Attached, a, b))
		time.Sleep(adoptWait)
		synctest.Wait()
		s.allCopied(t, 2)
		if p, want := cp.Progress(), (Progress{Bytes: 10 * 256, Values: 4 * 256, Here: 4 * 256}); p != want || cp.Left() != 0 {
			t.Errorf("attached: %+v, want %+v; %d bytes are left", p, want, cp.Left())
		}
		for epoch, phase := range []layout.Phase{layout.Attached, layout.Serving} {
			before := s.saidSo("")
			s.adopt(cp, table(uint64(4+epoch), 3, phase, a, b))
			time.Sleep(adoptWait)
			synctest.Wait()
			if after := s.saidSo(""); after != before || cp.Left() != 0 {
				t.Errorf("%s and complete: %d more calls, %d bytes are left", phase, after-before, cp.Left())
			}
		}
	})
}

// outside is the layout before the member is in one.
func outside() *layout.Table { return table(1, 1, 0, a, b) }

// TestAdoptFirst: the copier hears of a layout before the requests of its node carry it,
// and waits for that.
func TestAdoptFirst(t *testing.T) {
	s := newStory(outside())
	bubble(t, s, func(cp *Copier) {
		attached := table(2, 2, layout.Attached, a, b)
		s.view = 2
		cp.Adopt(attached)
		time.Sleep(50 * adoptWait)
		synctest.Wait()
		if n := s.saidSo(""); n != 0 {
			t.Errorf("%d calls by a layout that is not in use", n)
		}
		if cp.Left() == 0 || cp.Stuck() != "" {
			t.Errorf("%d left, %q", cp.Left(), cp.Stuck())
		}
		s.mu.Lock()
		s.table = attached
		s.mu.Unlock()
		time.Sleep(adoptWait)
		synctest.Wait()
		s.allCopied(t, 2)
	})
}

// TestRetries: a slot that fails is tried again, less and less often, does not hold up
// the others, and is tried at once when there is a new layout.
func TestRetries(t *testing.T) {
	s := newStory(outside())
	failing := []string{"entries of 3 ", "entries of 4 ", "entries of 5 ", "entries of 6 ", "entries of 7 "}
	for _, call := range failing {
		s.fails[call] = 1 << 30
	}
	bubble(t, s, func(cp *Copier) {
		s.adopt(cp, table(2, 2, layout.Attached, a, b))
		time.Sleep(adoptWait)
		synctest.Wait()
		if n := s.saidSo("values of"); n != 2*(256-len(failing)) { // listed, and copied
			t.Errorf("%d slots were copied", n/2)
		}
		if got := cp.Stuck(); got != "copying: slot 3: no answer" {
			t.Errorf("stuck: %q", got)
		}
		var at []int
		for ms := 0; ms < 4000; ms += 100 {
			if n := s.saidSo(failing[0]); n > len(at) {
				at = append(at, ms)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		if diff := cmp.Diff([]int{0, 100, 300, 700, 1500, 2500, 3500}, at); diff != "" {
			t.Errorf("tried after milliseconds (-want +got):\n%s", diff)
		}
		s.mu.Lock()
		clear(s.fails)
		s.mu.Unlock()
		s.adopt(cp, table(3, 3, layout.Attached, a, b))
		time.Sleep(adoptWait)
		synctest.Wait()
		s.allCopied(t, 2)
		if cp.Stuck() != "" || cp.Left() != 0 {
			t.Errorf("%q, %d left", cp.Stuck(), cp.Left())
		}
	})
}

// TestRetryAfterSuccess: whatever failed before, what worked once is soon tried again.
func TestRetryAfterSuccess(t *testing.T) {
	s := newStory(outside())
	s.fails["entries of 3 "], s.fails["values of 3 after"] = 3, 2
	bubble(t, s, func(cp *Copier) {
		s.adopt(cp, table(2, 2, layout.Attached, a, b))
		time.Sleep(adoptWait)
		synctest.Wait()
		var at []int
		for ms := 0; ms < 4000; ms += 100 {
			if n := s.saidSo("values of 3 after"); n > len(at) {
				at = append(at, ms)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		if diff := cmp.Diff([]int{700, 800, 1000}, at); diff != "" {
			t.Errorf("tried after milliseconds (-want +got):\n%s", diff)
		}
	})
}

// TestLayoutInTheLastStep: a layout that comes while a slot is found complete has it
// looked at again.
func TestLayoutInTheLastStep(t *testing.T) {
	s := newStory(outside())
	m := &hurried{story: s}
	synctest.Test(t, func(t *testing.T) {
		parts := s.parts()
		parts.Machine = m
		cp := New(Options{Parts: *parts, Log: slog.New(slog.DiscardHandler)})
		m.meanwhile = func() { s.adopt(cp, table(3, 3, layout.Attached, a, b)) }
		s.adopt(cp, table(2, 2, layout.Attached, a, b))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		cp.Run(ctx)
	})
	s.allCopied(t, 2)
}

// hurried says of slot 7 that there is nothing to copy just when there is.
type hurried struct {
	*story
	once      sync.Once
	meanwhile func()
}

func (h *hurried) OpenCopy(slot uint8) (view uint64, ok bool) {
	first := false
	if slot == 7 {
		h.once.Do(func() { first = true })
	}
	if first {
		h.meanwhile()
		return 0, false
	}
	return h.story.OpenCopy(slot)
}

// TestFull: without memory the copy waits, says so, and goes on once there is some. Only
// entries that an attached member must have anyway are taken.
func TestFull(t *testing.T) {
	for phase, copied := range map[layout.Phase]int{layout.Joining: 1, layout.Attached: 2} {
		t.Run(phase.String(), func(t *testing.T) {
			s := newStory(outside())
			s.values[9], s.full = []byte{1, 2, 3}, true
			s.fails["entries of 3 "] = 1 << 30 // memory explains more than this
			bubble(t, s, func(cp *Copier) {
				s.adopt(cp, table(2, 2, phase, a, b))
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if n := s.saidSo("take"); n != map[layout.Phase]int{layout.Attached: 255}[phase] {
					t.Errorf("%d pages of entries were taken", n)
				}
				if got := cp.Stuck(); !strings.Contains(got, "slot ") || !strings.Contains(got, "memory limit reached") {
					t.Errorf("stuck: %q", got)
				}
				if cp.Left() == 0 {
					t.Error("nothing is left")
				}
				s.mu.Lock()
				s.full = false
				clear(s.fails)
				s.mu.Unlock()
				time.Sleep(retryMax)
				synctest.Wait()
				s.allCopied(t, copied)
				if cp.Stuck() != "" || cp.Left() != 0 {
					t.Errorf("stuck: %q, %d left", cp.Stuck(), cp.Left())
				}
			})
		})
	}
}

// TestStop: the copier ends with its context, also while it waits for an answer.
func TestStop(t *testing.T) {
	s := newStory(outside())
	s.values[9] = []byte{1}
	src := &silent{story: s}
	synctest.Test(t, func(t *testing.T) {
		parts := s.parts()
		parts.Source = src
		cp := New(Options{Parts: *parts, Log: slog.New(slog.DiscardHandler)})
		s.adopt(cp, table(2, 2, layout.Attached, a, b))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		cp.Run(ctx)
		if n := s.saidSo("values of 9 copied"); n != 0 {
			t.Error("it was copied without an answer")
		}
	})
}

// silent gives no values.
type silent struct{ *story }

func (s *silent) Fetch(ctx context.Context, _ *layout.Member, _ *wire.Copy, _ int64, _ func(uid.UID, int64, []byte) error) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestSeveralAtOnce: some slots are copied at the same time, no slot twice at a time.
func TestSeveralAtOnce(t *testing.T) {
	s := newStory(outside())
	src := &slow{story: s}
	synctest.Test(t, func(t *testing.T) {
		parts := s.parts()
		parts.Source = src
		cp := New(Options{Parts: *parts, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			cp.Run(ctx)
		}()
		for epoch := range 20 { // each has every slot looked at again
			s.adopt(cp, table(uint64(epoch)+2, uint64(epoch)+2, layout.Attached, a, b))
			time.Sleep(3 * time.Second)
		}
		time.Sleep(256 * time.Second)
		cancel()
		<-done
	})
	s.allCopied(t, 2)
	if src.most != workers || src.twice {
		t.Errorf("%d slots at once, one of them twice: %v", src.most, src.twice)
	}
}

// slow takes a second for a page of entries.
type slow struct {
	*story
	busy  []uint8
	most  int
	twice bool
}

func (s *slow) Entries(ctx context.Context, m *layout.Member, q *wire.SomeEntries) (wire.EntryPage, int64, error) {
	slot := q.Slot
	s.mu.Lock()
	s.twice = s.twice || slices.Contains(s.busy, slot)
	s.busy = append(s.busy, slot)
	s.most = max(s.most, len(s.busy))
	s.mu.Unlock()
	time.Sleep(time.Second)
	s.mu.Lock()
	i := slices.Index(s.busy, slot)
	s.busy = slices.Delete(s.busy, i, i+1)
	s.mu.Unlock()
	return s.story.Entries(ctx, m, q)
}

// TestLeft: slots of which nothing is known yet count as much as the others on average.
func TestLeft(t *testing.T) {
	cp := New(Options{Parts: Parts{Self: c}, Log: slog.New(slog.DiscardHandler)})
	cp.Adopt(table(2, 2, layout.Attached, a, b))
	if got := cp.Left(); got != 256 {
		t.Errorf("nothing known: %d", got)
	}
	for slot := range 4 { // done, and others half-way
		j := &cp.jobs[slot]
		j.size, j.known = 1000, true
		if j.left = 500; slot < 2 {
			j.left, j.state = 0, idle
		}
	}
	if got, want := cp.Left(), int64(2*500+252*1000); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

package replication

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

func TestOrder(t *testing.T) {
	inBubble(t, "done when all have it", func(t *testing.T, p *primary) {
		late := make(chan struct{})
		p.net.set(func(ctx context.Context, m *layout.Member) error {
			if m.Incarnation == idC {
				return until(late)(ctx, m)
			}
			return nil
		})
		done := p.start("k", 1)
		time.Sleep(4 * time.Second)
		waiting(t, done)
		p.has("k", 0)
		close(late)
		is(t, <-done, nil)
		p.has("k", 1)
		is(t, p.order(t.Context(), "k", 2), nil)
		if len(p.dropped) != 1 || <-p.dropped != (uid.UID{1}) {
			t.Error("the value that was replaced is not hinted at")
		}
	})
	inBubble(t, "both owners are sent it at once", func(t *testing.T, p *primary) {
		open := make(chan struct{})
		p.net.set(until(open))
		done := p.start("k", 1)
		if n := p.net.sent.Load(); n != 2 {
			t.Errorf("sent %d times", n)
		}
		close(open)
		is(t, <-done, nil)
	})
	inBubble(t, "sent again until it arrives", func(t *testing.T, p *primary) {
		p.net.set(lost)
		done := p.start("k", 1)
		time.Sleep(3 * time.Second)
		waiting(t, done)
		p.net.set(delivered)
		is(t, <-done, nil)
		p.has("k", 1)
	})
	inBubble(t, "unknown, and done later", func(t *testing.T, p *primary) {
		p.net.set(lost)
		began := time.Now()
		is(t, p.order(t.Context(), "k", 1), kv.ErrUnknown)
		if took := time.Since(began); took != orderTimeout*time.Second {
			t.Errorf("unknown after %v", took)
		}
		p.has("k", 0)
		err := p.order(t.Context(), "k", 2)
		if kv.ReasonOf(err) != kv.Busy { // its turn never came
			t.Error(err)
		}
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		p.has("k", 1)
		is(t, p.order(t.Context(), "k", 3), nil)
	})
	inBubble(t, "the one who asks gives up", func(t *testing.T, p *primary) {
		p.net.set(lost)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is(t, p.order(ctx, "k", 1), kv.ErrUnknown)
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		p.has("k", 1)
	})
	inBubble(t, "refused", func(t *testing.T, p *primary) {
		time.Sleep(time.Minute)
		_, err := p.Order(t.Context(), slotK, &wire.Write{Key: "k", Delete: true}, idP)
		if kv.ReasonOf(err) != kv.TakingOver { // nobody has ever given it a lease
			t.Error(err)
		}
	})
	inBubble(t, "removed", func(t *testing.T, p *primary) {
		is(t, p.order(t.Context(), "k", 1), nil)
		e, _ := p.machine.Entry(slotK, "k", p.opt.Clock)
		is(t, p.Remove(t.Context(), slotK, "k", kv.Version{View: 1, N: 7}), kv.ErrPrecondition)
		is(t, p.Remove(t.Context(), slotK, "k", e.Version), nil)
		p.has("k", 0)
	})
}

// Whoever waits does so to the end of the node at most; what is being sent is given up.
func TestClose(t *testing.T) {
	inBubble(t, "", func(t *testing.T, p *primary) {
		p.net.set(until(nil))
		done, next := p.start("k", 1), p.start("k", 2)
		began := time.Now()
		p.Close()
		is(t, <-done, kv.ErrUnknown)
		if err := <-next; kv.ReasonOf(err) != kv.Busy {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %v", took)
		}
		if err := p.order(t.Context(), "j", 1); err == nil {
			t.Error("a write was acknowledged after the end")
		}
	})
}

// A new primary asks the other owners again and again, and says when it is active.
func TestWaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPrimary(t, founded(1, 1, idB, idP, idC))
		p.net.set(lost)
		p.Adopt(layout.NewTable(founded(2, 2, idP, idB, idC)))
		synctest.Wait()
		if p.net.gathers.Load() != 0 {
			t.Error("something was sent before the requests carry the layout's epoch")
		}
		p.Adopted()
		time.Sleep(3 * time.Second)
		if n := p.net.gathers.Load(); n < 8 || n > 16 || p.activated.Load() != 0 {
			t.Errorf("the others were asked %d times, activated %d times", n, p.activated.Load())
		}
		p.net.set(delivered)
		time.Sleep(2 * time.Second)
		if p.activated.Load() == 0 {
			t.Error("it is not said that it is active")
		}
		is(t, p.order(t.Context(), "k", 1), nil)
		p.has("k", 1)
		before := p.net.gathers.Load()
		p.Adopted()
		if synctest.Wait(); p.net.gathers.Load() != before {
			t.Error("what was sent is sent again")
		}
	})
}

// What was under way when the owners change is done by the new ones, for whoever waits.
func TestOwnersChange(t *testing.T) {
	inBubble(t, "", func(t *testing.T, p *primary) {
		p.net.set(func(ctx context.Context, m *layout.Member) error {
			if m.Incarnation == idC {
				return lost(ctx, m)
			}
			return nil
		})
		done := p.start("k", 1)
		time.Sleep(time.Second)
		waiting(t, done)
		p.Adopt(layout.NewTable(founded(2, 2, idP, idB)))
		p.Adopted()
		is(t, <-done, nil)
		p.has("k", 1)
	})
}

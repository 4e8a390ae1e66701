package purge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	slotLost   = 200 // it was given up, with its values
	slotMine   = 10  // entries of which this node is the active primary
	slotTheirs = 11
)

var idA, idB = layout.ID{1}, layout.ID{2}

// cluster is what the purger of one node sees of everything.
type cluster struct {
	*Purger
	t     *testing.T
	table *layout.Table
	store *store.Store
	has   map[layout.ID]map[uid.UID]bool // which values the owners have

	cleared   []string
	unordered bool
	mu        sync.Mutex // for the next one
	readErr   error
	ownerErr  map[layout.ID]error
	removeErr error
	asked     []wire.Place
	during    func() // called with each question
}

func newCluster(t *testing.T, phases ...layout.Phase) *cluster {
	l := &layout.Layout{Cluster: layout.ID{9}, Epoch: 7, Segments: []layout.Segment{{View: 7, Loss: 7}}}
	for i, phase := range phases {
		l.Members = append(l.Members, layout.Member{
			Name: layout.Name{Base: fmt.Sprint("n", i), Range: layout.Range{Lo: 0, Hi: 255}}, Address: "x:1",
			Incarnation: layout.ID{byte(i + 1)}, JoinEpoch: 1, Phase: phase,
		})
		l.Segments[0].Order = append(l.Segments[0].Order, uint16(i))
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		t: t, table: layout.NewTable(l), store: store.New(store.Options{}), ownerErr: map[layout.ID]error{},
		has: map[layout.ID]map[uid.UID]bool{idA: {}, idB: {}}, during: func() {},
	}
	t.Cleanup(c.store.Close)
	c.Purger = New(Options{
		Table: func() *layout.Table { return c.table }, Machine: c, Owners: c, Entries: c.store, Second: time.Second,
	})
	return c
}

// Suspended implements Machine, and what follows the rest of it and Owners.
func (c *cluster) Suspended() ([]uint8, uint64) { return []uint8{slotLost}, 5 }
func (c *cluster) Unordered(slot uint8) bool    { return c.unordered && slot == slotLost }
func (c *cluster) Read(epoch uint64) (Reading, error) {
	if epoch != 7 {
		c.t.Errorf("read by layout %d", epoch)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return reading{}, c.readErr
}

func (c *cluster) Cleared(slot uint8, generation uint64) {
	c.cleared = append(c.cleared, fmt.Sprintf("%d by %d", slot, generation))
}

func (c *cluster) Has(_ context.Context, m *layout.Member, p wire.Place) (bool, error) {
	c.asked = append(c.asked, p)
	yes, err := c.has[m.Incarnation][p.UID], c.ownerErr[m.Incarnation]
	c.during()
	return yes, err
}

func (c *cluster) Remove(_ context.Context, slot uint8, key string, v kv.Version) error {
	if c.removeErr != nil {
		return c.removeErr
	}
	if !c.store.Remove(slot, key, v) {
		return kv.ErrPrecondition
	}
	return nil
}

type reading struct{}

func (reading) Has(slot uint8) bool { return slot == slotMine }

// lost is a value of the slot that was given up.
func lost(n byte) uid.UID { return uid.UID{slotLost, n} }

// write has a key refer to a value, which some owners have.
func (c *cluster) write(slot uint8, key string, u uid.UID, at ...layout.ID) {
	e := kv.Entry{Key: key, UID: u, Version: kv.Version{View: 1, N: uint64(c.store.Stats().Keys + 1)}}
	c.store.Apply(slot, &e)
	for _, id := range at {
		c.has[id][u] = true
	}
}

func (c *cluster) keys() (keys []string) {
	for _, slot := range []uint8{slotMine, slotTheirs} {
		c.store.Entries(slot, "", func(e *kv.Entry) bool {
			keys = append(keys, string([]byte(e.Key)))
			return true
		})
	}
	return keys
}

// round makes one round, after which these keys are there, and perhaps all is looked at.
func (c *cluster) round(cleared bool, want ...string) {
	c.t.Helper()
	c.cleared = nil
	c.Round(c.t.Context())
	if got := c.keys(); !slices.Equal(got, want) {
		c.t.Errorf("keys %v, want %v", got, want)
	}
	if got := slices.Equal(c.cleared, []string{"200 by 5"}); got != cleared || !cleared && len(c.cleared) != 0 {
		c.t.Errorf("cleared: %v", c.cleared)
	}
}

// What refers to a value that some serving owner has not, goes, and is counted; all else
// stays.
func TestRound(t *testing.T) {
	c := newCluster(t, layout.Serving, layout.Serving)
	c.write(slotMine, "at both", lost(1), idA, idB)
	c.write(slotMine, "at both too", lost(1))
	c.write(slotMine, "elsewhere", uid.UID{100})
	c.write(slotMine, "gone", lost(2))
	c.write(slotMine, "gone too", lost(2))
	c.write(slotMine, "half", lost(3), idB)
	c.write(slotTheirs, "not ours", lost(2))
	c.round(true, "at both", "at both too", "elsewhere", "not ours")
	if c.Removed() != 3 {
		t.Errorf("%d were counted", c.Removed())
	}
	if len(c.asked) != 2*3 {
		t.Errorf("asked %d times for three values at two owners", len(c.asked))
	}
	for _, p := range c.asked {
		if p.Witness != slotMine {
			t.Errorf("the witness is %d", p.Witness)
		}
	}
}

// Only those are asked who have everything of the slot.
func TestAttachedOwnersAreNotAsked(t *testing.T) {
	c := newCluster(t, layout.Serving, layout.Attached)
	c.ownerErr[idB] = kv.ErrUnavailable
	c.write(slotMine, "k", lost(1), idA)
	c.round(true, "k")
}

// What can't be found out is left for the next round, and nothing is said of it.
func TestWhatIsNotKnown(t *testing.T) {
	for name, begin := range map[string]func(c *cluster){
		"no layout":                 func(c *cluster) { c.table = nil },
		"a write is under way":      func(c *cluster) { c.unordered = true },
		"not active":                func(c *cluster) { c.readErr = kv.ErrUnavailable },
		"an owner does not answer":  func(c *cluster) { c.ownerErr[idA] = kv.ErrUnavailable },
		"another one":               func(c *cluster) { c.ownerErr[idB] = kv.ErrUnavailable },
		"nothing can be removed":    func(c *cluster) { c.removeErr = kv.ErrUnavailable },
		"it is unknown what became": func(c *cluster) { c.removeErr = kv.ErrUnknown },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, layout.Serving, layout.Serving)
			table := c.table
			c.write(slotMine, "gone", lost(2))
			c.write(slotMine, "here", lost(1), idA, idB)
			begin(c)
			c.round(false, "gone", "here")
			if c.Removed() != 0 {
				t.Error("it was counted")
			}
			c.table, c.unordered, c.readErr, c.removeErr = table, false, nil, nil
			clear(c.ownerErr)
			c.round(true, "here")
		})
	}
	t.Run("nobody serves the slot", func(t *testing.T) {
		c := newCluster(t, layout.Attached, layout.Leaving)
		c.write(slotMine, "k", lost(1))
		c.round(false, "k")
	})
	t.Run("the node stops", func(t *testing.T) {
		c := newCluster(t, layout.Serving)
		c.write(slotMine, "k", lost(1), idA)
		ctx, stop := context.WithCancel(t.Context())
		c.during = stop
		c.Round(ctx)
		if len(c.cleared) != 0 {
			t.Error("cleared though not all was looked at")
		}
	})
}

// Where a key was replaced or deleted meanwhile all is well.
func TestReplacedMeanwhile(t *testing.T) {
	for _, err := range []error{kv.ErrPrecondition, fmt.Errorf("k: %w", kv.ErrNotFound)} {
		c := newCluster(t, layout.Serving)
		c.write(slotMine, "k", lost(1))
		c.removeErr = err
		c.round(true, "k")
		if c.Removed() != 0 {
			t.Errorf("%v was counted", err)
		}
	}
}

// A value that was lost may be written anew while its old keys are being removed: the new
// key, which comes with a later batch, has it.
func TestWrittenAnewMeanwhile(t *testing.T) {
	c := newCluster(t, layout.Serving)
	for i := range batch {
		c.write(slotMine, fmt.Sprintf("a%03d", i), lost(1))
	}
	c.during = func() {
		c.during = func() {}
		c.write(slotMine, "new", lost(1), idA)
	}
	c.round(true, "new")
	if c.Removed() != batch {
		t.Errorf("%d were removed", c.Removed())
	}
}

// Run looks again and again until the node stops.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, layout.Serving)
		c.readErr = errors.New("not yet")
		c.write(slotMine, "k", lost(1))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(c.keys()) != 1 {
			t.Error("it is gone")
		}
		c.mu.Lock()
		c.readErr = nil
		c.mu.Unlock()
		time.Sleep(time.Second / looks)
		synctest.Wait()
		if len(c.keys()) != 0 || len(c.cleared) != 1 {
			t.Errorf("keys %v, cleared %v", c.keys(), c.cleared)
		}
		stop()
		<-done
	})
}

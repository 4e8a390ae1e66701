package reclaim

import (
	"context"
	"encoding/binary"
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
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var self, second, third = layout.ID{1}, layout.ID{2}, layout.ID{3}

// members own the ring in three parts, without copies, so each is primary of a third.
func members(phase layout.Phase) *layout.Table {
	l := &layout.Layout{Cluster: layout.ID{9}, Epoch: 1}
	for i, r := range []layout.Range{{Lo: 0, Hi: 84}, {Lo: 85, Hi: 169}, {Lo: 170, Hi: 255}} {
		l.Members = append(l.Members, layout.Member{
			Name: layout.Name{Base: "x", Range: r}, Address: "x:1", Incarnation: layout.ID{byte(i + 1)}, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Members[2].Phase = phase
	l.Segments = layout.SegmentsOf(l.Members, 1)
	return layout.NewTable(l)
}

// asker is all primaries and all owners.
type asker struct {
	mu     sync.Mutex
	slots  map[layout.ID]map[uid.UID]int // which slot of whom refers to what
	down   map[layout.ID]bool
	during func(m *layout.Member, u uid.UID) // happens after the answer was made
	asked  int
	hinted map[layout.ID][]uid.UID
}

func (a *asker) Refs(_ context.Context, m *layout.Member, refs []wire.Ref, _ uint64) ([]int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked += len(refs)
	if a.down[m.Incarnation] || m.Incarnation == (layout.ID{}) {
		return nil, errors.New("down")
	}
	out := make([]int, len(refs))
	for i, r := range refs {
		out[i] = wire.AnySlot
		if slot, ok := a.slots[m.Incarnation][r.UID]; ok && (r.Slot == wire.AnySlot || r.Slot == slot) {
			out[i] = slot
		}
	}
	if a.during != nil {
		for _, r := range refs {
			a.during(m, r.UID)
		}
	}
	return out, nil
}

func (a *asker) Hints(_ context.Context, m *layout.Member, uids []uid.UID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down[m.Incarnation] {
		return errors.New("down")
	}
	a.hinted[m.Incarnation] = append(a.hinted[m.Incarnation], uids...)
	return nil
}

func (a *asker) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

func (a *asker) refer(m layout.ID, slot int, u uid.UID) {
	a.set(func() { a.slots[m][u] = slot })
}

// setting is a reclaimer at work.
type setting struct {
	*Reclaimer
	t     *testing.T
	store *store.Store
	asker *asker
	n     uint64
}

func run(t *testing.T, table *layout.Table, f func(*setting)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &setting{t: t, store: store.New(store.Options{})}
		s.asker = &asker{
			slots: map[layout.ID]map[uid.UID]int{self: {}, second: {}, third: {}}, down: map[layout.ID]bool{}, hinted: map[layout.ID][]uid.UID{},
		}
		s.Reclaimer = New(Options{
			Self: self, Table: func() *layout.Table { return table }, Values: s.store, Asker: s.asker, Second: time.Second,
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { s.Run(ctx) })
		f(s)
		cancel()
		running.Wait()
		s.store.Close()
	})
}

// place stores a value in a slot of this node.
func (s *setting) place(witness uint8) (u uid.UID) {
	s.n++
	u[0] = byte(s.n % 85)
	binary.BigEndian.PutUint64(u[1:], s.n)
	if _, err := s.store.InstallBytes(u, nil, witness); err != nil {
		s.t.Fatal(err)
	}
	s.Placed(u)
	return u
}

func (s *setting) touch(u uid.UID, witness uint8) {
	if !s.store.Touch(u, witness) {
		s.t.Fatal("it is gone")
	}
	s.Placed(u)
}

// after lets time pass and tells whether the value is there still.
func (s *setting) after(d time.Duration, u uid.UID) bool {
	time.Sleep(d)
	synctest.Wait()
	return s.store.Has(u)
}

// goneWithin tells when a value went.
func (s *setting) goneWithin(d time.Duration, u uid.UID) time.Duration {
	s.t.Helper()
	began := time.Now()
	for s.after(100*time.Millisecond, u) {
		if time.Since(began) > d {
			s.t.Fatalf("it is still there after %v", time.Since(began))
		}
	}
	return time.Since(began)
}

var all = members(layout.Serving)

// A value is left alone for longer than a write may take from its ticket to its order,
// and a second more as the store's clock has whole seconds.
func TestGrace(t *testing.T) {
	if Grace <= replica.TicketAge+1 {
		t.Errorf("a grace of %d s with tickets of %d s", Grace, replica.TicketAge)
	}
}

func TestFreedOnlyIfAllSayNo(t *testing.T) {
	t.Run("nobody refers to it", func(t *testing.T) {
		run(t, all, func(s *setting) {
			u := s.place(100)
			if took := s.goneWithin(10*time.Second, u); took < Grace*time.Second {
				t.Errorf("gone after %v", took)
			}
			if s.Freed() != 1 || s.Waiting() != 0 {
				t.Errorf("%d freed, %d waiting", s.Freed(), s.Waiting())
			}
		})
	})
	for _, m := range []layout.ID{self, second, third} {
		slot := map[layout.ID]int{self: 7, second: 100, third: 200}[m]
		for _, witness := range []uint8{7, 100, 200} {
			t.Run(fmt.Sprintf("slot %d of member %d does, slot %d is its witness", slot, m[0], witness), func(t *testing.T) {
				run(t, all, func(s *setting) {
					u := s.place(witness)
					s.asker.refer(m, slot, u)
					if !s.after(20*time.Minute, u) {
						t.Fatal("it is gone")
					}
					if f, _ := s.store.Age(u); int(f.Witness) != slot {
						t.Errorf("its witness is %d", f.Witness)
					}
					s.asker.set(func() { delete(s.asker.slots[m], u) })
					s.Hinted(u)
					s.goneWithin(time.Second, u)
				})
			})
		}
		t.Run(fmt.Sprintf("member %d does not answer", m[0]), func(t *testing.T) {
			run(t, all, func(s *setting) {
				u := s.place(100)
				s.asker.set(func() { s.asker.down[m] = true })
				if !s.after(20*time.Minute, u) {
					t.Fatal("it is gone")
				}
				s.asker.set(func() { s.asker.down[m] = false })
				s.goneWithin(time.Minute, u)
			})
		})
	}
	t.Run("a slot has no primary", func(t *testing.T) {
		run(t, members(layout.Attached), func(s *setting) {
			if u := s.place(7); !s.after(20*time.Minute, u) {
				t.Error("with a witness: it is gone")
			}
			if u := s.place(200); !s.after(20*time.Minute, u) {
				t.Error("without a witness: it is gone")
			}
		})
	})
}

func TestNotFreedIfTouched(t *testing.T) {
	t.Run("again and again", func(t *testing.T) {
		run(t, all, func(s *setting) {
			u := s.place(100)
			for range 20 {
				s.Hinted(u)
				if !s.after((Grace-1)*time.Second, u) {
					t.Fatal("it is gone")
				}
				s.touch(u, 100)
			}
			s.asker.set(func() {
				if s.asker.asked != 0 {
					t.Errorf("asked %d times about a value that a write may still need", s.asker.asked)
				}
			})
			s.goneWithin(10*time.Second, u)
		})
	})
	t.Run("after the answer", func(t *testing.T) {
		run(t, all, func(s *setting) {
			u := s.place(100)
			touched := 0
			s.asker.set(func() {
				s.asker.during = func(m *layout.Member, _ uid.UID) {
					if m.Incarnation == third && touched < 3 { // all have said no
						touched++
						s.touch(u, 100)
					}
				}
			})
			if !s.after(3*(Grace+1)*time.Second, u) {
				t.Fatal("it is gone")
			}
			s.goneWithin(20*time.Second, u)
		})
	})
	t.Run("dropped and brought again after the answer", func(t *testing.T) {
		run(t, all, func(s *setting) {
			u := s.place(100)
			began := time.Now()
			s.asker.set(func() {
				s.asker.during = func(m *layout.Member, _ uid.UID) {
					if m.Incarnation == third && time.Since(began) < 10*time.Second {
						s.store.Drop(u)
						if _, err := s.store.InstallBytes(u, nil, 100); err != nil {
							t.Error(err)
						}
						s.Placed(u)
					}
				}
			})
			if !s.after(9*time.Second, u) {
				t.Fatal("its second life ended with its first")
			}
			s.goneWithin(20*time.Second, u)
		})
	})
}

func TestHints(t *testing.T) {
	run(t, all, func(s *setting) {
		u := s.place(200)
		s.asker.refer(third, 200, u)
		s.after(time.Minute, u)
		s.asker.set(func() { delete(s.asker.slots[third], u) })
		s.Dropped(u) // as primary; this node is its owner too
		s.goneWithin(time.Second, u)
		theirs := uid.UID{100}
		s.asker.set(func() { s.asker.down[second] = true })
		s.Dropped(theirs)
		time.Sleep(time.Minute)
		s.asker.set(func() { s.asker.down[second] = false })
		time.Sleep(time.Second)
		s.asker.set(func() {
			if !slices.Equal(s.asker.hinted[second], []uid.UID{theirs}) || len(s.asker.hinted[third]) != 0 {
				t.Errorf("hinted at %v", s.asker.hinted)
			}
		})
	})
}

// A value that no hint came for is found in a round of the slow sweep.
func TestLostHint(t *testing.T) {
	run(t, all, func(s *setting) {
		u := s.place(200)
		s.asker.refer(third, 200, u)
		s.after(time.Minute, u)
		s.asker.set(func() { delete(s.asker.slots[third], u) })
		s.goneWithin(10*time.Minute, u)
	})
}

func (s *setting) fill(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// What finds no place in the queue goes within the promised minute all the same.
func TestOverflow(t *testing.T) {
	for name, overflow := range map[string]func(s *setting, u uid.UID){
		"placed": func(s *setting, u uid.UID) { s.fill(func() { s.queue = make([]check, maxQueue) }); s.Placed(u) },
		"hinted": func(s *setting, u uid.UID) { s.fill(func() { s.due = make([]uid.UID, maxQueue) }); s.Hinted(u) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, all, func(s *setting) {
				var u uid.UID
				u[0] = 84
				if _, err := s.store.InstallBytes(u, nil, 100); err != nil {
					t.Fatal(err)
				}
				overflow(s, u)
				s.goneWithin(time.Minute, u)
				time.Sleep(time.Minute)
				synctest.Wait()
				if waiting, behind := s.Waiting(), s.isBehind(); waiting != 0 || behind {
					t.Errorf("%d waiting, behind: %v", waiting, behind)
				}
			})
		})
	}
}

// Many values that come and go are all freed in time.
func TestMany(t *testing.T) {
	run(t, all, func(s *setting) {
		var kept []uid.UID
		for i := range 5000 {
			u := s.place(uint8(i))
			if i%10 == 0 {
				s.asker.refer(second, 100, u)
				kept = append(kept, u)
			}
			if i%100 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := s.store.Stats().Values; n != len(kept) || s.Waiting() != 0 {
			t.Errorf("%d values are left, %d are referred to; %d wait", n, len(kept), s.Waiting())
		}
		for _, u := range kept {
			if !s.store.Has(u) {
				t.Fatal("a value that is referred to is gone")
			}
		}
	})
}

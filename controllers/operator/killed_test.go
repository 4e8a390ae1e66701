package operator

import (
	"errors"
	"testing"

	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// The operator is killed after each single write of a change, or in the middle of it, and the
// next one makes the next write: all comes to its end, and nothing that counts is deleted.
func TestChangesKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	t.Parallel()
	image := func(spec *v1alpha1.SeppenClusterSpec) { spec.Image = "seppen:other" }
	for name, tt := range map[string]struct {
		lose   bool // the answers of the writes
		change func(s *site)
		done   func(s *site) bool
	}{
		"a roll":                     {false, func(s *site) { s.edit("snow", image) }, (*site).isRolled},
		"a roll, without answers":    {true, func(s *site) { s.edit("snow", image) }, (*site).isRolled},
		"a reshape":                  {false, func(s *site) { s.edit("snow", shape(4, 2)) }, nil},
		"a reshape, without answers": {true, func(s *site) { s.edit("snow", shape(4, 2)) }, nil},
		"a drained machine":          {false, func(s *site) { s.cordon(s.namespace + "-2") }, (*site).isEmptied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.kubelet.Graceful()
			s.machines()
			first := s.operate()
			watch := s.watch("snow")
			s.create("snow", shape(2, 1))
			s.becomes("snow")
			s.quiet(first)
			first.stop()
			tt.change(s)
			lives := 0
			for over := false; !over; lives++ {
				o := s.operate(func(tr *traffic) { tr.most, tr.lose = 1, tt.lose })
				kubetest.Eventually(t, func() error {
					over = s.isDone("snow") == nil && (tt.done == nil || tt.done(s))
					if _, writes := o.written(); writes == 0 && !over {
						return errors.New("it does nothing")
					}
					return nil
				})
				o.stop()
			}
			t.Logf("%d operators", lives)
			if lives < 10 {
				t.Error("that is less than the change has writes")
			}
			s.operate()
			c := s.becomes("snow")
			if len(c.Status.LostSlots) > 0 {
				t.Errorf("%+v", c.Status)
			}
			watch.check()
			s.agreed()
		})
	}
}

func (t *traffic) written() (reads, writes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reads, t.writes
}

func (s *site) isRolled() bool {
	for _, p := range s.running() {
		if p.Spec.Containers[0].Image != "seppen:other" {
			return false
		}
	}
	return true
}

func (s *site) isEmptied() bool {
	for _, p := range s.running() {
		if p.Spec.NodeName == s.namespace+"-2" {
			return false
		}
	}
	return true
}

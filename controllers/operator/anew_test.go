package operator

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
	"github.com/eiri/seppen/controllers/internal/fakenode"
	"github.com/eiri/seppen/controllers/internal/kubetest"
)

// hold has the operator's reads wait until let is called, but not its watches. One has waited when
// something comes from waits.
func (t *traffic) hold() (waits chan struct{}, let func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := make(chan struct{})
	t.held, t.waits = held, make(chan struct{}, 1)
	return t.waits, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.held = nil
		close(held)
	}
}

func (t *traffic) wait(r *http.Request) {
	t.mu.Lock()
	held, waits := t.held, t.waits
	t.mu.Unlock()
	if held == nil || r.Method != http.MethodGet || r.URL.Query().Get("watch") != "" {
		return
	}
	select {
	case waits <- struct{}{}:
	default:
	}
	select {
	case <-held:
	case <-r.Context().Done():
	}
}

// A cluster is deleted and made anew while the operator is busy with it, so it never sees that it
// was gone. The nodes of the first do not hold up those of the second for their grace period.
func TestMadeAnew(t *testing.T) {
	s := newSite(t)
	s.kubelet.Graceful()
	o := s.operate()
	first := s.create("snow", shape(3, 1))
	s.becomes("snow")
	old := s.kubelet.Nodes()
	waits, let := o.hold()
	s.annotate("seppen.io/any", "thing")
	<-waits // it looks, and has no answer
	if err := s.Client.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	kubetest.Eventually(t, func() error { return s.Client.Create(t.Context(), second(s)) })
	kubetest.Eventually(t, func() error {
		seen := &v1alpha1.SeppenCluster{}
		if err := o.Client.Get(t.Context(), s.key("snow"), seen); err != nil || seen.UID == first.UID {
			return errors.New("the operator has not heard of the second one")
		}
		return nil
	})
	let()
	s.becomes("snow")
	for _, n := range old {
		if !isDissolved(n) {
			t.Errorf("%s was not told to end", n.Name)
		}
	}
}

func second(s *site) *v1alpha1.SeppenCluster {
	c := &v1alpha1.SeppenCluster{}
	c.Namespace, c.Name = s.namespace, "snow"
	shape(3, 1)(&c.Spec)
	return c
}

func isDissolved(n *fakenode.Node) bool {
	return slices.ContainsFunc(n.Settings(), func(s peer.Settings) bool { return s.Dissolve })
}

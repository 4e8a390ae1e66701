package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/layout"
)

// watched is all that became of a cluster's record, StatefulSets and pods, as the API server
// tells it.
type watched struct {
	t    *testing.T
	stop func()
	name string

	mu       sync.Mutex
	layouts  []*layout.Layout
	sets     map[string]string // UID of the one of a name, whether it is there still or not
	problems []string
	most     int // pods at a time
	pods     map[string]bool
}

// watch begins to look at a cluster that is to be made.
func (s *site) watch(name string) *watched {
	s.t.Helper()
	c, err := client.NewWithWatch(s.Config, client.Options{Scheme: s.Client.Scheme()})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &watched{t: s.t, name: name, sets: make(map[string]string), pods: make(map[string]bool)}
	var running sync.WaitGroup
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &appsv1.StatefulSetList{}, &corev1.PodList{}} {
		in, err := c.Watch(ctx, list, client.InNamespace(s.namespace))
		if err != nil {
			s.t.Fatal(err)
		}
		running.Go(func() {
			defer in.Stop()
			for {
				select {
				case e, ok := <-in.ResultChan():
					if !ok {
						return
					}
					w.see(e)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	s.t.Cleanup(w.stop)
	return w
}

func (w *watched) see(e watch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o := e.Object.(type) {
	case *corev1.ConfigMap:
		if l, err := layout.Decode(o.BinaryData["layout"]); err == nil && o.Name == w.name+"-layout" {
			w.layouts = append(w.layouts, l)
		}
	case *appsv1.StatefulSet:
		w.seeSet(e.Type, o)
	case *corev1.Pod:
		w.pods[o.Name] = e.Type != watch.Deleted
		now := 0
		for _, there := range w.pods {
			if there {
				now++
			}
		}
		w.most = max(w.most, now)
	}
}

// seeSet: a set goes only when no member of the layout is in it, and no other one ever comes in
// its place.
func (w *watched) seeSet(kind watch.EventType, set *appsv1.StatefulSet) {
	was, known := w.sets[set.Name]
	if known && was != string(set.UID) {
		w.problems = append(w.problems, fmt.Sprintf("there were two StatefulSets %s", set.Name))
	}
	w.sets[set.Name] = string(set.UID)
	if kind != watch.Deleted || len(w.layouts) == 0 {
		return
	}
	node := set.Spec.Selector.MatchLabels["seppen.io/node"]
	last := w.layouts[len(w.layouts)-1]
	if slices.ContainsFunc(last.Members, func(m layout.Member) bool { return m.Name.String() == node }) {
		w.problems = append(w.problems, fmt.Sprintf("%s was deleted, which is a member in layout %d", node, last.Epoch))
	}
}

// check ends it and says what went wrong.
func (w *watched) check() {
	w.t.Helper()
	time.Sleep(100 * time.Millisecond) // for what is on its way; what is missed is no failure
	w.stop()
	for _, p := range w.problems {
		w.t.Error(p)
	}
	w.covered()
}

// covered sees that in each layout each slot has somebody who serves it.
func (w *watched) covered() {
	w.t.Helper()
	for _, l := range w.layouts {
		table := layout.NewTable(l)
		var bare []string
		for slot := range layout.Slots {
			if len(table.Owners(uint8(slot)).Serving) == 0 {
				bare = append(bare, fmt.Sprint(slot))
			}
		}
		if len(bare) > 0 {
			w.t.Errorf("layout %d: nobody serves slots %s", l.Epoch, strings.Join(bare, " "))
		}
	}
}

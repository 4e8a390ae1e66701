package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

// seen is all that the status of a cluster said, also what it said for a moment only.
type seen struct {
	mu    sync.Mutex
	lines []string
	ended string // why it does not go on
}

// watchStatus takes down what a cluster's status says from now on to the end of the step.
func watchStatus(t *testing.T, c cluster) *seen {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w, err := kube.Watch(ctx, &v1alpha1.SeppenClusterList{}, client.InNamespace(c.namespace), client.MatchingFields{"metadata.name": c.name})
	if err != nil {
		t.Fatal(err)
	}
	s := &seen{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.follow(ctx, w)
	}()
	t.Cleanup(func() {
		cancel()
		w.Stop()
		<-ended
		s.tell(t)
	})
	return s
}

func (s *seen) follow(ctx context.Context, w watch.Interface) {
	began, before := time.Now(), make(map[string]string)
	for e := range w.ResultChan() {
		c, is := e.Object.(*v1alpha1.SeppenCluster)
		if !is {
			if ctx.Err() != nil {
				return // the step of the test is over
			}
			s.mu.Lock()
			s.ended = fmt.Sprintf("%s %v", e.Type, e.Object)
			s.mu.Unlock()
			return
		}
		now := map[string]string{"ready": c.Status.Ready + " nodes"}
		for _, is := range c.Status.Conditions {
			now[is.Type] = fmt.Sprintf("%s %s %s: %s", is.Type, is.Status, is.Reason, is.Message)
		}
		for i := range c.Status.Nodes {
			n := &c.Status.Nodes[i]
			now[n.Name] = fmt.Sprintf("%s [%s] ready=%t %s", n.Name, n.Phase, n.Ready, n.Message)
		}
		s.mu.Lock()
		for of, line := range now {
			if line != before[of] {
				s.lines = append(s.lines, fmt.Sprintf("%5.1f s  %s", time.Since(began).Seconds(), line))
			}
		}
		s.mu.Unlock()
		before = now
	}
}

// find is nil if some line has all these words.
func (s *seen) find(words ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != "" {
		return fmt.Errorf("the watch of the status ended: %s", s.ended)
	}
	for _, line := range s.lines {
		if has(line, words) {
			return nil
		}
	}
	return fmt.Errorf("the status never said %q", words)
}

func has(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// says waits until some line has all these words.
func (s *seen) says(t *testing.T, within time.Duration, words ...string) {
	t.Helper()
	eventually(t, within, func() error { return s.find(words...) })
}

// said: by now.
func (s *seen) said(t *testing.T, words ...string) {
	t.Helper()
	if err := s.find(words...); err != nil {
		t.Error(err)
	}
}

// tell logs all of it.
func (s *seen) tell(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("the status said\n%s", strings.Join(s.lines, "\n"))
}

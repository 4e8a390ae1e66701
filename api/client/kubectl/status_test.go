package kubectl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/eiri/seppen/api/v1alpha1"
)

func TestStatus(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("NO_COLOR", "")
	t.Setenv("COLUMNS", "")
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	r := w.run(t, "status")
	r.is(t, 0, "3/3 nodes ready", "snow-170-84  ▄", "2222", "yes  snow-0-169")
	if strings.Contains(r.out, "\x1b") {
		t.Errorf("not on a terminal there are no colours: %q", r.out)
	}
	t.Setenv("LC_ALL", "C")
	w.run(t, "status").is(t, 0, "snow-170-84  =")
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("NO_COLOR", "1")
	w.run(t, "status").is(t, 0, "snow-170-84  =")
	w.run(t, "status", "--no-color").is(t, 0)
}

func TestStatusJSON(t *testing.T) {
	r := (&world{}).put(newCluster(t, "default", "snow", 3, 2)).run(t, "status", "-o", "json")
	r.is(t, 0)
	var got reportJSON
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "snow" || len(got.Status.Nodes) != 3 || len(got.Layout.Members) != 3 || len(got.Layout.Segments) != 3 {
		t.Errorf("%s", r.out)
	}
	if s := got.Layout.Segments[1]; s.Lo != 85 || s.Hi != 169 || s.Primary != "snow-85-255" || len(s.Serving) != 2 || len(s.Acknowledging) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestStatusOfNothingYet(t *testing.T) {
	c := newCluster(t, "default", "snow", 3, 2)
	c.layout = nil
	(&world{}).put(c).run(t, "status").is(t, 0, "There is no layout yet")
}

func TestScreen(t *testing.T) {
	env := map[string]string{"LANG": "de_DE.UTF-8", "COLUMNS": "132"}
	s := screenOf(&bytes.Buffer{}, func(name string) string { return env[name] })
	if s.style.Width != 132 || s.style.ASCII || s.style.Color || s.terminal {
		t.Errorf("%+v", s)
	}
	env = map[string]string{"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}
	if s := screenOf(&bytes.Buffer{}, func(name string) string { return env[name] }); s.style.Width != 80 || !s.style.ASCII {
		t.Errorf("%+v", s)
	}
}

// On a terminal a picture replaces the one before; elsewhere it stands below it. One that is
// the same is not drawn again.
func TestDrawnAgain(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{true, "\x1b[Hone\x1b[K\n\x1b[J\x1b[Htwo\x1b[K\n\x1b[J"},
		{false, "one\n\ntwo\n"},
	} {
		var out bytes.Buffer
		s := &screen{out: &out, terminal: c.terminal, watches: true}
		for _, text := range []string{"one", "one", "two"} {
			if err := s.draw([]string{text}); err != nil {
				t.Fatal(err)
			}
		}
		if out.String() != c.want {
			t.Errorf("%q, not %q", out.String(), c.want)
		}
	}
}

// seen is output that tells when something new was written.
type seen struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func newSeen() *seen { return &seen{news: make(chan struct{}, 1)} }

func (s *seen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

// has waits until all words were written.
func (s *seen) has(t *testing.T, words ...string) string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		s.mu.Lock()
		text := s.text.String()
		s.mu.Unlock()
		missing := ""
		for _, w := range words {
			if !strings.Contains(text, w) {
				missing = w
			}
		}
		if missing == "" {
			return text
		}
		select {
		case <-s.news:
		case <-deadline:
			t.Fatalf("%q was never said:\n%s", missing, text)
		}
	}
}

// change changes the status of snow as the operator would.
func (w *world) change(t *testing.T, do func(*v1alpha1.SeppenCluster)) {
	t.Helper()
	c := &v1alpha1.SeppenCluster{}
	if err := w.open().Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "snow"}, c); err != nil {
		t.Fatal(err)
	}
	do(c)
	if err := w.open().Status().Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2), newCluster(t, "default", "ice", 3, 2))
	p := &plugin{connected: w.open()}
	out, done := newSeen(), make(chan result)
	go func() { done <- runInto(t.Context(), p, out, &bytes.Buffer{}, "status", "snow", "-w") }()
	out.has(t, "0 keys")
	w.change(t, func(c *v1alpha1.SeppenCluster) { c.Status.Keys = 42 })
	out.has(t, "42 keys")
	gone := &v1alpha1.SeppenCluster{}
	gone.Namespace, gone.Name = "default", "snow"
	if err := w.open().Delete(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	(<-done).is(t, 1, "the cluster was deleted")
	if text := out.has(t); strings.Contains(text, "ice in") {
		t.Errorf("it is not about ice:\n%s", text)
	}
}

// A watch that ends, as it does where an API server restarts, is begun anew; so is one that
// cannot be begun for a while. What will not change is told.
func TestWatchEnds(t *testing.T) {
	begun := 0
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.hooks.Watch = func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
		if begun++; begun == 2 {
			return nil, apierrors.NewServiceUnavailable("it restarts")
		}
		if begun == 5 {
			return nil, apierrors.NewForbidden(schema.GroupResource{Resource: "seppenclusters"}, "", errors.New("no more"))
		}
		return watch.NewEmptyWatch(), nil
	}
	w.run(t, "status", "-w").is(t, 1, "forbidden")
	if begun != 5 {
		t.Errorf("%d watches", begun)
	}
}

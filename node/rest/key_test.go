package rest

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestValueLife(t *testing.T) {
	m := newModel()
	h := New(m, quiet())
	etag := m.secret.Sum([]byte("v")).ETag()
	steps := []struct {
		method, target, body string
		header               []string
		status               int
		want                 string
		wantHeader           map[string]string
	}{
		{"GET", "/k", "", nil, 404, "", map[string]string{"Content-Length": "0"}},
		{"HEAD", "/k", "", nil, 404, "", nil},
		{"DELETE", "/k", "", nil, 404, "", nil},
		{"GET", "/", "", nil, 200, "", map[string]string{"Content-Type": "application/octet-stream", "Content-Length": "0"}},
		{"PUT", "/k", "v", nil, 201, "", map[string]string{"Etag": etag, "Content-Length": "0"}},
		{"PUT", "/k", "v", nil, 204, "", map[string]string{"Etag": etag, "Content-Length": ""}},
		{"GET", "/k", "", nil, 200, "v", map[string]string{
			"Etag": etag, "Content-Type": "application/octet-stream", "Content-Length": "1",
			"Accept-Ranges": "bytes", "Cache-Control": "no-cache",
		}},
		{"HEAD", "/k", "", nil, 200, "", map[string]string{"Etag": etag, "Content-Length": "1"}},
		{"PUT", "/k", "", []string{"Content-Type", "a/b; c=d"}, 204, "", nil},
		{"GET", "/k", "", nil, 200, "", map[string]string{"Content-Type": "a/b; c=d", "Content-Length": "0"}},
		{"GET", "/", "", nil, 200, "k", nil},
		{"DELETE", "/k", "", nil, 204, "", nil},
		{"GET", "/k", "", nil, 404, "", nil},
		{"GET", "/", "", nil, 200, "", nil},
	}
	for i, s := range steps {
		r := request(h, s.method, s.target, s.body, s.header...)
		if r.StatusCode != s.status {
			t.Fatalf("step %d, %s %s: status %d, want %d", i, s.method, s.target, r.StatusCode, s.status)
		}
		if got := read(t, r); got != s.want {
			t.Errorf("step %d, %s %s: body %q, want %q", i, s.method, s.target, got, s.want)
		}
		for name, want := range s.wantHeader {
			if got := r.Header.Get(name); got != want {
				t.Errorf("step %d, %s %s: %s is %q, want %q", i, s.method, s.target, name, got, want)
			}
		}
		if s.status == http.StatusOK && s.target != "/" || s.status == 201 {
			if _, err := http.ParseTime(r.Header.Get("Last-Modified")); err != nil {
				t.Errorf("step %d: %v", i, err)
			}
		}
	}
	if diff := cmp.Diff(0, m.open); diff != "" {
		t.Error(diff)
	}
}

package admin

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/eiri/seppen/api/peer"
)

func TestPages(t *testing.T) {
	yes, no := true, false
	var ready error
	srv := httptest.NewServer(New(Options{
		Ready: func() error { return ready },
		Status: func() peer.Status {
			return peer.Status{
				Name: "snow-0-169", Range: "0-169", Epoch: 7, Phase: "serving", Ready: true, Keys: 3, MemoryUsed: 1536, MemoryLimit: 1 << 30,
				Members: []peer.MemberStatus{
					{Name: "up-0-1", Reachable: &yes}, {Name: "down-2-3", Reachable: &no}, {Name: "<b>unknown-4-5"},
				},
			}
		},
		Gatherer: prometheus.NewRegistry(), OpenAPIYAML: []byte("openapi: 3.1.0"), OpenAPIJSON: func() []byte { return []byte("{}") },
	}))
	defer srv.Close()
	get := func(path string) (int, string, string) {
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(b)
	}
	for _, c := range []struct {
		path, contentType string
		status            int
		want              []string
	}{
		{"/healthz", "text/plain", 200, []string{"ok"}},
		{"/readyz", "text/plain", 200, []string{"ok"}},
		{"/status", "application/json", 200, []string{`"epoch": 7`, `"reachable": false`}},
		{"/openapi.yaml", "application/yaml", 200, []string{"3.1.0"}},
		{"/openapi.json", "application/json", 200, []string{"{}"}},
		{"/metrics", "text/plain", 200, nil},
		{"/", "text/html", 200, []string{
			"Serving.", "1.5 KiB of 1.0 GiB", `<span class="ok">yes</span>`, `<span class="no">no</span>`, "not asked of late", "&lt;b&gt;unknown",
		}},
		{"/nothing", "text/plain", 404, nil},
	} {
		status, contentType, body := get(c.path)
		if status != c.status || !strings.HasPrefix(contentType, c.contentType) {
			t.Errorf("%s: %d %s", c.path, status, contentType)
		}
		for _, w := range c.want {
			if !strings.Contains(body, w) {
				t.Errorf("%s does not say %q:\n%s", c.path, w, body)
			}
		}
	}
	for want, s := range map[string]peer.Status{
		"<tr><th>Phase<td>not a member\n":    {},
		"<tr><th>Phase<td>leaving\n":         {Phase: "leaving"},
		"<tr><th>Phase<td>serving, ending\n": {Phase: "serving", Ending: true},
		"<tr><th>Phase<td>retired\n":         {Retired: true},
		"<tr><th>Phase<td>retired, ending\n": {Retired: true, Ending: true},
	} {
		w := httptest.NewRecorder()
		page(w, s)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	ready = errors.New("no layout yet")
	if status, _, body := get("/readyz"); status != 503 || body != "no layout yet\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
}

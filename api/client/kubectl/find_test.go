package kubectl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Which cluster is meant, and the exit codes of who means none.
func TestWhichCluster(t *testing.T) {
	one := newCluster(t, "default", "snow", 3, 2)
	two := newCluster(t, "default", "ice", 3, 2)
	for _, c := range []struct {
		what  string
		world *world
		args  []string
		code  int
		words []string
	}{
		{"none", &world{}, nil, 1, []string{"there is no SeppenCluster in namespace default", "-n"}},
		{"the only one", (&world{}).put(one), nil, 0, []string{"snow in default"}},
		{"several", (&world{}).put(one, two), nil, 2, []string{"name one: ice, snow"}},
		{"named", (&world{}).put(one, two), []string{"ice"}, 0, []string{"ice in default"}},
		{"not there", (&world{}).put(one), []string{"ice"}, 1, []string{"there is no SeppenCluster ice in namespace default; there is snow"}},
		{"two names", (&world{}).put(one), []string{"ice", "snow"}, 2, nil},
		{"no such flag", (&world{}).put(one), []string{"--no"}, 2, nil},
		{"no such format", (&world{}).put(one), []string{"-o", "yaml"}, 2, []string{"text or json"}},
		{"the API server fails", &world{hooks: interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("no route to host")
		}}}, nil, 1, []string{"no route to host"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			c.world.run(t, append([]string{"status"}, c.args...)...).is(t, c.code, c.words...)
		})
	}
	(&world{}).run(t, "nosuch").is(t, 2, "unknown command")
	(&world{}).run(t).is(t, 0, "drain-check")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := (&world{}).put(newCluster(t, "default", "snow", 3, 2))
	w.hooks.Get = func(ctx context.Context, kube client.WithWatch, key client.ObjectKey, into client.Object, o ...client.GetOption) error {
		cancel()
		return kube.Get(ctx, key, into, o...)
	}
	w.runIn(ctx, "status", "-w").is(t, 130)
}

// The kubeconfig is found by kubectl's rules, and its namespace is the default.
func TestKubeconfig(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]any{"kind": "SeppenClusterList", "apiVersion": "seppen.io/v1alpha1", "items": []any{}}
		switch r.URL.Path {
		case "/api":
			answer = map[string]any{"kind": "APIVersions", "versions": []string{"v1"}}
		case "/apis":
			answer = map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{map[string]any{
				"name": "seppen.io", "versions": []any{map[string]string{"groupVersion": "seppen.io/v1alpha1", "version": "v1alpha1"}},
			}}}
		case "/apis/seppen.io/v1alpha1":
			answer = map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "seppen.io/v1alpha1", "resources": []any{map[string]any{
				"name": "seppenclusters", "kind": "SeppenCluster", "namespaced": true, "verbs": []string{"list"},
			}}}
		}
		_ = json.NewEncoder(w).Encode(answer) // who asked sees what is wrong with it
	}))
	defer api.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	file := filepath.Join(t.TempDir(), "config")
	config := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: here,
clusters: [{name: k, cluster: {server: %q}}], users: [{name: u, user: {}}],
contexts: [{name: here, context: {cluster: k, user: u, namespace: north}}, {name: there, context: {cluster: k, user: u, namespace: south}}]}`, api.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env       string
		args      []string
		namespace string
	}{
		{file, nil, "north"},
		{"", []string{"--kubeconfig", file}, "north"},
		{file, []string{"--context", "there"}, "south"},
		{file, []string{"-n", "east"}, "east"},
		{file, []string{"--namespace=east", "--context=there"}, "east"},
	} {
		t.Setenv("KUBECONFIG", c.env)
		asked = nil
		runPlugin(t.Context(), &plugin{}, append([]string{"status"}, c.args...)...).is(t, 1, "there is no SeppenCluster in namespace "+c.namespace)
		if want := "/apis/seppen.io/v1alpha1/namespaces/" + c.namespace + "/seppenclusters"; !slices.Contains(asked, want) {
			t.Errorf("%q: asked for %v, not %s", c.args, asked, want)
		}
	}
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	runPlugin(t.Context(), &plugin{}, "status", "--context", "nowhere").is(t, 1, "nowhere")
	runPlugin(t.Context(), &plugin{}, "drain-check", "x", "--context", "nowhere").is(t, 2, "nowhere")
}

func TestCompletion(t *testing.T) {
	w := (&world{objects: machines("m0")}).put(newCluster(t, "default", "snow", 2, 1), newCluster(t, "default", "ice", 1, 1))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"status", ""}, "ice snow"},
		{[]string{"status", "ice", ""}, ""},
		{[]string{"scale", ""}, "ice snow"},
		{[]string{"restart", ""}, "ice snow"},
		{[]string{"drain-check", ""}, "ice-0-255 snow-0-127 snow-128-255 m0"},
		{[]string{"logs", ""}, "ice snow ice-0-255 snow-0-127 snow-128-255"},
		{[]string{"logs", "ice", ""}, "ice-0-255 snow-0-127 snow-128-255"},
	} {
		r := w.run(t, append([]string{"__complete"}, c.args...)...)
		r.is(t, 0)
		var got []string
		for line := range strings.Lines(r.out) {
			if !strings.HasPrefix(line, ":") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %v, not %s", c.args, got, c.want)
		}
	}
}

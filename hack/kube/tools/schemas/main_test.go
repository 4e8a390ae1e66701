package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
)

// testdata/openapi.json is a small part of what a real server says: Deployment and what
// it needs, shortened, and a custom resource.
func schemas(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "schemas")
	var out strings.Builder
	if err := run([]string{dir, "testdata/openapi.json"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	if want := dir + ": schemas of 2 kinds\n"; out.String() != want {
		t.Errorf("it says %q, want %q", out.String(), want)
	}
	return dir
}

func manifest(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestManifests asks kubeconform itself.
func TestManifests(t *testing.T) {
	dir := schemas(t)
	v, err := validator.New([]string{dir + "/{{.ResourceKind}}{{.KindSuffix}}.json"}, validator.Opts{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	deployment, crystal := manifest(t, "deployment"), manifest(t, "crystal")
	tests := []struct {
		name, manifest, old, new string
		err                      string // part of it; "" where the manifest is good
	}{
		{"a Deployment", deployment, "", "", ""},
		{"a misspelt field", deployment, "replicas: 2", "replica: 2", "additional properties 'replica' not allowed"},
		{"a misspelt field behind references", deployment, "image: x", "imgae: x", "additional properties 'imgae' not allowed"},
		{"an unknown field at the top", deployment, "kind:", "sepc: {}\nkind:", "additional properties 'sepc' not allowed"},
		{"a wrong type", deployment, "replicas: 2", "replicas: two", "got string, want null or integer"},
		{"a required field is missing", deployment, "image: x", "", "missing property 'image'"},
		{"a required field is null", deployment, "image: x", "image: null", "got null, want string"},
		{"a required reference is null", deployment, "  template:", "  template: null\n  other:", "'not' failed"},
		{"an entry of a list is null", deployment, "- name: a", "- null\n      - name: a", "'not' failed"},
		{"a field that may be left out is null", deployment, "replicas: 2", "replicas: null", ""},
		{"a reference that may be left out is null", deployment, "selector: {}", "selector: null", ""},
		{"a quantity is a number", deployment, "cpu: 100m", "cpu: 0.5", ""},
		{"a quantity is a list", deployment, "cpu: 100m", "cpu: [1]", "got array"},
		{"a port has a name", deployment, "port: 80", "port: http", ""},
		{"a port is neither", deployment, "port: 80", "port: 80.5", "got number"},
		{"any key of a map", deployment, "a: b", "any.thing/at-all: b", ""},
		{"a map's value is a number", deployment, "a: b", "a: 1", "got number"},
		{"one of a list of words", deployment, "imagePullPolicy: Never", "imagePullPolicy: Sometimes", "value must be one of"},

		{"a custom resource", crystal, "", "", ""},
		{"its misspelt field", crystal, "arms: 6", "armz: 6", "additional properties 'armz' not allowed"},
		{"its maximum", crystal, "arms: 6", "arms: 7", "maximum: got 7, want 6"},
		{"its exclusive minimum", crystal, "arms: 6", "arms: 0", "exclusiveMinimum: got 0, want 0"},
		{"its pattern", crystal, "size: 1Mi", "size: big", "does not match pattern"},
		{"its int-or-string", crystal, "size: 1Mi", "size: 17", ""},
		{"its open object", crystal, "known: 1", "unknown: {a: [b]}", ""},
		{"another version of it", crystal, "/v1alpha1", "/v1", "could not find schema"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.manifest, tt.old) {
				t.Fatalf("%q is not in the manifest", tt.old)
			}
			text := strings.Replace(tt.manifest, tt.old, tt.new, 1)
			results := v.Validate(tt.name, io.NopCloser(strings.NewReader(text)))
			if len(results) != 1 {
				t.Fatalf("%d results", len(results))
			}
			err := results[0].Err
			if tt.err == "" {
				if err != nil || results[0].Status != validator.Valid {
					t.Errorf("status %v, %v", results[0].Status, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestFileNames(t *testing.T) {
	for k, want := range map[kind]string{
		{Version: "v1", Kind: "Service"}:                                 "service-v1.json",
		{Group: "apps", Version: "v1", Kind: "StatefulSet"}:              "statefulset-apps-v1.json",
		{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}:     "ingress-networking-v1.json",
		{Group: "seppen.io", Version: "v1alpha1", Kind: "SeppenCluster"}: "seppencluster-seppen-v1alpha1.json",
	} {
		if got := k.file(); got != want {
			t.Errorf("%v: %s, want %s", k, got, want)
		}
	}
}

func TestFromStdin(t *testing.T) {
	f, err := os.Open("testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	if err := run([]string{dir}, f, io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "deployment-apps-v1.json")); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	twice := `{"x-kubernetes-group-version-kind": [{"group": "a.x", "version": "v1", "kind": "K"}]}`
	for name, tt := range map[string]struct{ doc, err string }{
		"not JSON":       {"<html>", "the OpenAPI document"},
		"OpenAPI 3":      {`{"openapi": "3.0.0"}`, "not an OpenAPI 2.0 document"},
		"no kinds":       {`{"swagger": "2.0", "definitions": {"a": {}}}`, "no kinds"},
		"one file twice": {`{"swagger": "2.0", "definitions": {"a": ` + twice + `, "b": ` + strings.ReplaceAll(twice, "a.x", "a.y") + `}}`, "a and b would both be k-a-v1.json"},
		"a loose reference": {`{"swagger": "2.0", "definitions": {"a": {"x-kubernetes-group-version-kind": [{"version": "v1", "kind": "K"}],
			"properties": {"p": {"$ref": "#/definitions/b"}}}}}`, "b is referred to and not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run([]string{t.TempDir()}, strings.NewReader(tt.doc), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
	if err := run(nil, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "usage") {
		t.Errorf("without arguments: %v", err)
	}
}

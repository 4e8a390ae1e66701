package charttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	root  = "../.."
	chart = root + "/charts/seppen"
	// programs names the environment variable with the folder of the programs. It is not
	// envtest's: with that one go test ./... is to run the tests of the operator, not these.
	programs = "CHARTTEST_PROGRAMS"
	// patience is how long one program may take.
	patience = 2 * time.Minute
)

// The sets of values with which the chart is tried, as files in testdata.
var sets = map[string][]string{
	"default":    nil,
	"everything": {"everything.yaml"},
	"objects":    {"everything.yaml", "objects.yaml"},
	"namespaces": {"namespaces.yaml"},
	"nothing":    {"nothing.yaml"},
}

// program is the path of one of the programs; without them the test is skipped.
func program(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv(programs)
	if dir == "" {
		t.Skip(programs + " is not set: run hack/charttest.sh")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run hack/charttest.sh", err)
	}
	return path
}

// run runs a program and returns what it wrote to stdout and to stderr.
func run(t testing.TB, stdin, name string, args ...string) (string, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience) // clean-ups run programs too
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, name), args...)
	home := t.TempDir()
	cmd.Env = append(cmd.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "KUBECACHEDIR="+home, "KUBECONFIG=/dev/null")
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), stderr.String(), err
}

// must is run for what must succeed, and say nothing to stderr.
func must(t testing.TB, stdin, name string, args ...string) string {
	t.Helper()
	out, complaint, err := run(t, stdin, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	if complaint != "" {
		t.Fatalf("%s %s: %s", name, strings.Join(args, " "), complaint)
	}
	return out
}

// template renders the chart as release seppen in namespace seppen-system, hooks included.
func template(t testing.TB, set string, args ...string) string {
	t.Helper()
	return must(t, "", "helm", slices.Concat([]string{"template", "seppen", chart, "--namespace=seppen-system"}, valueFiles(set), args)...)
}

func render(t testing.TB, set string, args ...string) objects {
	t.Helper()
	return parse(t, template(t, set, args...))
}

func valueFiles(set string) []string {
	var args []string
	for _, file := range sets[set] {
		args = append(args, "--values=testdata/"+file)
	}
	return args
}

// objects are what was rendered, in order.
type objects []*unstructured.Unstructured

func parse(t testing.TB, manifests string) objects {
	t.Helper()
	var all objects
	for d := yaml.NewYAMLToJSONDecoder(strings.NewReader(manifests)); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// id is how tests name an object: Kind namespace/name.
func id(o *unstructured.Unstructured) string {
	return o.GetKind() + " " + strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/")
}

func (os objects) ids() []string {
	var all []string
	for _, o := range os {
		all = append(all, id(o))
	}
	slices.Sort(all)
	return all
}

// find puts the object of this id into a typed one, and knows no field that the type lacks.
func find[T any](t testing.TB, os objects, name string) *T {
	t.Helper()
	for _, o := range os {
		if id(o) != name {
			continue
		}
		into := new(T)
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return into
	}
	t.Fatalf("there is no %s, but %q", name, os.ids())
	return nil
}

// readObject reads a file of the repository that holds one object.
func readObject[T any](t testing.TB, path string) *T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	all := parse(t, string(data))
	if len(all) != 1 {
		t.Fatalf("%s has %d objects", path, len(all))
	}
	return find[T](t, all, id(all[0]))
}

// contains tells whether all of a selector's labels are among the labels.
func contains(labels, selector map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

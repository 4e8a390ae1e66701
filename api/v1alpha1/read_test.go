package v1alpha1

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const head = `apiVersion: seppen.io/v1alpha1
kind: SeppenCluster
metadata:
  name: demo
`

func cluster(spec SeppenClusterSpec) *SeppenCluster {
	c := &SeppenCluster{
		TypeMeta:   metav1.TypeMeta{APIVersion: "seppen.io/v1alpha1", Kind: Kind},
		ObjectMeta: metav1.ObjectMeta{Name: "demo"},
		Spec:       spec,
	}
	c.Default()
	return c
}

func TestDecode(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want *SeppenCluster
	}{
		"no spec at all": {head, cluster(SeppenClusterSpec{})},
		"everything": {head + `
spec:
  shards: 256
  copies: 8
  memoryLimit: 1Gi
  valueSizeLimit: 5000000
`, cluster(SeppenClusterSpec{
			Shards: new(int32(256)), Copies: new(int32(8)),
			MemoryLimit:    new(resource.MustParse("1Gi")),
			ValueSizeLimit: new(resource.MustParse("5000000")),
		})},
		"ranges": {head + `
spec:
  ranges: [a-0-169, b-85-255, c-170-84]
`, cluster(SeppenClusterSpec{Ranges: []string{"a-0-169", "b-85-255", "c-170-84"}})},
		"ranges beside the defaults, as the API server returns them": {head + `
spec:
  shards: 3
  copies: 2
  ranges: [a-0-255]
`, cluster(SeppenClusterSpec{Ranges: []string{"a-0-255"}})},
		"comments and empty documents": {"# hello\n---\n# nothing\n---\n" + head + "---\n# the end\n", cluster(SeppenClusterSpec{})},
		"JSON": {
			`{"apiVersion":"seppen.io/v1alpha1","kind":"SeppenCluster","metadata":{"name":"demo"},"spec":{"copies":1}}`,
			cluster(SeppenClusterSpec{Copies: new(int32(1))}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Decode("f.yaml", []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"nothing":                         {"", "f.yaml: there is no SeppenCluster in it"},
		"comments only":                   {"# hello\n---\n", "f.yaml: there is no SeppenCluster in it"},
		"two documents":                   {head + "---\n" + head, "f.yaml:6: a second document: write one SeppenCluster to a file"},
		"not YAML":                        {head + "spec: [", "f.yaml: yaml: line 5: "},
		"not an object":                   {"[1, 2]", "f.yaml: this is no SeppenCluster: it begins with an array"},
		"another kind":                    {"apiVersion: seppen.io/v1alpha1\nkind: Pod\n", `f.yaml:2: kind is "Pod", must be "SeppenCluster"`},
		"another version":                 {"# old\napiVersion: seppen.io/v1\nkind: SeppenCluster\n", `f.yaml:2: apiVersion is "seppen.io/v1", must be "seppen.io/v1alpha1"`},
		"no name":                         {"apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\n", "f.yaml:1: metadata.name: Required value: nodes are named after it"},
		"a bad name":                      {strings.Replace(head, "demo", "Demo", 1), "f.yaml:4: metadata.name: Invalid value: \"Demo\""},
		"unknown field":                   {head + "spec:\n  copies: 1\n  shard: 3\n", `f.yaml:7: unknown field "spec.shard"`},
		"unknown in the second document":  {"---\n# x\n---\n" + head + "spec:\n  shard: 3\n", `f.yaml:9: unknown field "spec.shard"`},
		"two faults":                      {head + "spec:\n  shard: 3\n  copy: 3\n", "f.yaml:6: unknown field \"spec.shard\"\nf.yaml:7: unknown field \"spec.copy\""},
		"a field in other case":           {head + "spec:\n  Shards: 3\n", `f.yaml:6: unknown field "spec.Shards"`},
		"a field twice":                   {head + "spec:\n  shards: 3\n  shards: 4\n", "line 7: key \"shards\" already set"},
		"a field of another type":         {head + "spec:\n  shards: three\n", "f.yaml:6: spec.shards: a string does not fit here, only a whole number"},
		"no more than a word":             {"foo\n", "f.yaml: this is no SeppenCluster: it begins with a string and not with fields such as apiVersion"},
		"a fraction":                      {head + "spec:\n  shards: 1.5\n", "f.yaml:6: spec.shards: "},
		"a list as spec":                  {head + "spec: []\n", "f.yaml:5: spec: an array does not fit here, only fields"},
		"no shards":                       {head + "spec:\n  shards: 0\n", "f.yaml:6: spec.shards: Invalid value: 0: must be 1 to 256"},
		"too many shards":                 {head + "spec:\n  shards: 257\n", "f.yaml:6: spec.shards: Invalid value: 257: must be 1 to 256"},
		"too many copies":                 {head + "spec:\n  copies: 9\n", "f.yaml:6: spec.copies: Invalid value: 9: must be 1 to 8"},
		"not a quantity":                  {head + "spec:\n  memoryLimit: much\n", `f.yaml:6: spec.memoryLimit: "much" is not a quantity such as 512Mi or 2G`},
		"no memory":                       {head + "spec:\n  memoryLimit: 0\n", `f.yaml:6: spec.memoryLimit: Invalid value: "0": must be at least 1Mi`},
		"more memory than the container":  {head + "spec:\n  resources: {limits: {memory: 1Gi}}\n  memoryLimit: 1000Mi\n", `f.yaml:7: spec.memoryLimit: Invalid value: "1000Mi": must be at least 32Mi below resources.limits.memory`},
		"more than it may use":            {head + "spec:\n  resources:\n    requests: {memory: 2Gi}\n    limits: {memory: 1Gi}\n", `f.yaml:7: spec.resources.requests.memory: Invalid value: "2Gi": must not be above resources.limits.memory: no pod could be made`},
		"a name that is too long":         {strings.Replace(head, "demo", strings.Repeat("d", 41), 1), "f.yaml:4: metadata.name: Too long: may not be more than 40 bytes"},
		"a name that begins with a digit": {strings.Replace(head, "demo", "4ever", 1), "f.yaml:4: metadata.name: Invalid value: \"4ever\""},
		"ranges of one StatefulSet":       {head + "spec:\n  ranges:\n  - a-0-255\n  - a-0-9\n", `f.yaml:8: spec.ranges[1]: Invalid value: "a-0-9": begins like a-0-255`},
		"a range that is too long":        {head + "spec:\n  ranges:\n  - " + strings.Repeat("a", 43) + "-0-255\n", "f.yaml:7: spec.ranges[0]: Too long: may not be more than 48 bytes"},
		"less than no values":             {head + "spec:\n  valueSizeLimit: -1Mi\n", "f.yaml:6: spec.valueSizeLimit: Invalid value"},
		"ranges and shards":               {head + "spec:\n  shards: 4\n  ranges: [a-0-255]\n", "f.yaml:7: spec.ranges: Forbidden: it takes the place of shards and copies: leave these two out"},
		"an empty list of ranges":         {head + "spec:\n  ranges: []\n", "f.yaml:6: spec.ranges: Invalid value"},
		"a gap in the ranges":             {head + "spec:\n  ranges: [a-0-9, b-20-255]\n", "no node holds slots 10-19"},
		"a range of no name":              {head + "spec:\n  ranges:\n  - a-0-255\n  - 0-255\n", "f.yaml:6: spec.ranges: Invalid value"},
		"a name no pod can have":          {head + "spec:\n  ranges:\n  - a-0-255\n  - A-0-255\n", `f.yaml:8: spec.ranges[1]: Invalid value: "A-0-255"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("f.yaml", []byte(tt.in))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestReadFile(t *testing.T) {
	sample := filepath.Join("..", "..", "config", "samples", "seppencluster.yaml")
	c, err := ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "sample" || *c.Spec.Shards != 3 || *c.Spec.Copies != 2 {
		t.Errorf("read %+v", c)
	}
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	if _, err := ReadFile(missing); !os.IsNotExist(err) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestSchemeKnowsTheTypes(t *testing.T) {
	s := runtime.NewScheme()
	if err := AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{Kind, Kind + "List"} {
		if !s.Recognizes(GroupVersion.WithKind(kind)) {
			t.Errorf("%s is unknown", kind)
		}
	}
}

// Whatever the file says, the answer is an error or a cluster that can be built.
func FuzzDecode(f *testing.F) {
	f.Add(head)
	f.Add(head + "spec:\n  shards: 3\n  copies: 2\n  memoryLimit: 1Gi\n")
	f.Add(head + "spec: {ranges: [a-0-255]}\n---\n")
	f.Add("{}")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := Decode("f.yaml", []byte(in))
		switch {
		case err != nil:
			if !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Errorf("the error does not name the file: %v", err)
			}
		case len(c.Validate()) > 0 || c.Kind != Kind:
			t.Errorf("accepted %+v: %v", c, c.Validate())
		}
	})
}

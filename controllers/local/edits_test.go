package local

import (
	"os"
	"path/filepath"
	"testing"
)

// Each time that the file is read it is said what comes of it.
func TestEdits(t *testing.T) {
	o := options{file: filepath.Join(t.TempDir(), "c.yaml")}
	write := func(meta, spec string) {
		t.Helper()
		text := "apiVersion: seppen.io/v1alpha1\nkind: SeppenCluster\nmetadata: {" + meta + "}\nspec: {" + spec + "}\n"
		if err := os.WriteFile(o.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("name: c", "shards: 3, memoryLimit: 1Gi")
	if err := o.fromFile(new(Config)); err != nil {
		t.Fatal(err)
	}
	const (
		fixed  = "; ignored, as it cannot be changed while the cluster runs: "
		unused = "; ignored, as it means something in Kubernetes only: "
	)
	for _, step := range []struct{ meta, spec, memory, want string }{
		{"name: c", "shards: 3, memoryLimit: 1Gi", "", "nothing to change"},
		{"name: c", "copies: 2, memoryLimit: 1024Mi", "", "nothing to change"}, // other words for the same
		{"name: c", "shards: 2, memoryLimit: 2Gi", "", "changed: spec.memoryLimit, spec.shards"},
		{"name: d", "shards: 2, memoryLimit: 2Gi, secretRef: {name: s}", "", "nothing to change" + fixed + "metadata.name, spec.secretRef"},
		{"name: d", "shards: 4, memoryLimit: 2Gi, image: x", "", "changed: spec.shards" + fixed + "metadata.name" + unused + "spec.image"},
		{"name: c", "shards: 4, memoryLimit: 2Gi, image: x", "", "nothing to change"}, // as it was started
		{"name: c", "shards: 4, image: x", "64Mi", "nothing to change" + fixed + "spec.memoryLimit"},
		{"name: c", "shards: 4, ranges: 5", "", ""},
	} {
		write(step.meta, step.spec)
		o.memory = step.memory
		if _, said, err := o.change(); said != step.want || (err == nil) != (step.want != "") {
			t.Errorf("%s, %s: %q, %v\nwant %q", step.meta, step.spec, said, err, step.want)
		}
	}
}

package v1alpha1

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/eiri/seppen/api/layout"
)

// crdSchema is as much of the generated definition as the Go code repeats.
type crdSchema struct {
	Default          any                  `json:"default"`
	Minimum, Maximum *float64             `json:",omitempty"`
	MinItems         *int                 `json:"minItems"`
	MaxLength        int                  `json:"maxLength"`
	Pattern          string               `json:"pattern"`
	Items            *crdSchema           `json:"items"`
	Properties       map[string]crdSchema `json:"properties"`
}

func spec(t *testing.T) crdSchema {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "seppen.io_seppenclusters.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema crdSchema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

func TestDefinitionAndCodeAgree(t *testing.T) {
	s := spec(t)
	for field, want := range map[string]struct {
		def any
		max float64
	}{
		"shards": {float64(DefaultShards), MaxShards},
		"copies": {float64(DefaultCopies), MaxCopies},
	} {
		got := s.Properties[field]
		if got.Default != want.def || *got.Minimum != 1 || *got.Maximum != want.max {
			t.Errorf("%s: default %v, %v to %v", field, got.Default, *got.Minimum, *got.Maximum)
		}
	}
	for path, want := range map[string]any{
		"valueSizeLimit": DefaultValueSizeLimit, "imagePullPolicy": string(DefaultImagePullPolicy),
		"secretRef.key": DefaultSecretKey, "service.type": string(DefaultServiceType), "service.port": float64(DefaultServicePort),
	} {
		at := s
		for _, step := range strings.Split(path, ".") {
			at = at.Properties[step]
		}
		if at.Default != want {
			t.Errorf("%s: default %v", path, at.Default)
		}
	}
	if got := s.Properties["ranges"].Items.MaxLength; got != MaxRangeLength {
		t.Errorf("ranges: at most %d long", got)
	}
}

// The definition's pattern accepts the names that are both a node's and a pod's.
func TestPatternOfRanges(t *testing.T) {
	items := spec(t).Properties["ranges"].Items
	pattern := regexp.MustCompile(items.Pattern)
	for _, name := range []string{
		"a-0-255", "a-b-c-10-9", "1-99-100", "a--0-255", "a-256-1", "a-0-256", "a-00-1", "a-1-01",
		"A-0-255", "-0-255", "0-255", "a-0", "a-0-255-", "a.b-0-255", "", "a-1-2-3", "a-199-209-249-250",
	} {
		_, err := layout.ParseName(name)
		want := err == nil && len(validation.IsDNS1123Label(name)) == 0
		if got := pattern.MatchString(name) && len(name) <= items.MaxLength; got != want {
			t.Errorf("%q: the pattern says %v, the code %v (%v)", name, got, want, err)
		}
	}
}

package v1alpha1

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/eiri/seppen/api/layout"
)

// The defaults and bounds of the spec. The API server has the same ones from the
// markers in types.go; a test compares the two.
const (
	DefaultShards         = 3
	DefaultCopies         = 2
	DefaultValueSizeLimit = "64Mi"
	MaxShards             = 256
	MaxCopies             = 8
)

// Default fills in what the API server would fill in.
func (c *SeppenCluster) Default() {
	s := &c.Spec
	if s.Shards == nil {
		s.Shards = new(int32(DefaultShards))
	}
	if s.Copies == nil {
		s.Copies = new(int32(DefaultCopies))
	}
	if s.ValueSizeLimit == nil {
		s.ValueSizeLimit = new(resource.MustParse(DefaultValueSizeLimit))
	}
}

// Validate says what is wrong with a cluster after Default: what the API server would
// refuse, and ranges that leave a slot without a node, which it cannot know.
func (c *SeppenCluster) Validate() field.ErrorList {
	var errs field.ErrorList
	name := field.NewPath("metadata", "name")
	if c.Name == "" {
		errs = append(errs, field.Required(name, "nodes are named after it"))
	} else {
		for _, why := range validation.IsDNS1123Label(c.Name) {
			errs = append(errs, field.Invalid(name, c.Name, why))
		}
	}
	spec := field.NewPath("spec")
	errs = append(errs, between(spec.Child("shards"), *c.Spec.Shards, MaxShards)...)
	errs = append(errs, between(spec.Child("copies"), *c.Spec.Copies, MaxCopies)...)
	errs = append(errs, positive(spec.Child("memoryLimit"), c.Spec.MemoryLimit)...)
	errs = append(errs, positive(spec.Child("valueSizeLimit"), c.Spec.ValueSizeLimit)...)
	if c.Spec.Ranges != nil {
		errs = append(errs, c.Spec.validateRanges(spec.Child("ranges"))...)
	}
	return errs
}

func (s *SeppenClusterSpec) validateRanges(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	// A default cannot be told from the same number written by hand.
	if *s.Shards != DefaultShards || *s.Copies != DefaultCopies {
		errs = append(errs, field.Forbidden(path, "it takes the place of shards and copies: leave these two out"))
	}
	for i, name := range s.Ranges {
		for _, why := range validation.IsDNS1123Label(name) {
			errs = append(errs, field.Invalid(path.Index(i), name, why))
		}
	}
	if _, err := layout.ParseNames(s.Ranges); err != nil {
		errs = append(errs, field.Invalid(path, s.Ranges, err.Error()))
	}
	return errs
}

func between(path *field.Path, n, most int32) field.ErrorList {
	if n >= 1 && n <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(path, n, fmt.Sprintf("must be 1 to %d", most))}
}

func positive(path *field.Path, q *resource.Quantity) field.ErrorList {
	if q == nil || q.Sign() > 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, q.String(), "must be more than nothing")}
}

package v1alpha1

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/eiri/seppen/api/layout"
)

// The defaults and bounds of the spec. The API server has the same ones from the
// markers in spec.go; a test compares the two.
const (
	DefaultShards          = 3
	DefaultCopies          = 2
	DefaultValueSizeLimit  = "64Mi"
	DefaultImagePullPolicy = corev1.PullIfNotPresent
	DefaultServicePort     = 21285
	DefaultServiceType     = corev1.ServiceTypeClusterIP
	DefaultSecretKey       = "secret"
	DefaultMaxSurge        = 1
	MaxShards              = 256
	MaxCopies              = 8

	// MaxNameLength leaves room in a pod's DNS label of 63 characters and in the label
	// of its StatefulSet's revision, which takes {name}-{lo} and eleven more.
	MaxNameLength = 40
	// MaxRangeLength is the same for a node's name written by hand.
	MaxRangeLength = 48

	minMemoryLimit = 1 << 20
	minTransfer    = 64 << 10
	// minMemoryRest is what a node needs beside what it stores.
	minMemoryRest = 32 << 20
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
	if s.ImagePullPolicy == "" {
		s.ImagePullPolicy = DefaultImagePullPolicy
	}
	if s.SecretRef != nil && s.SecretRef.Key == "" {
		s.SecretRef.Key = DefaultSecretKey
	}
	if s.Service != nil && s.Service.Type == "" {
		s.Service.Type = DefaultServiceType
	}
	if s.Service != nil && s.Service.Port == 0 {
		s.Service.Port = DefaultServicePort
	}
	if s.UpdateStrategy != nil && s.UpdateStrategy.MaxSurge == nil {
		s.UpdateStrategy.MaxSurge = new(int32(DefaultMaxSurge))
	}
}

// MaxSurge is how many nodes are replaced at a time.
func (s *SeppenClusterSpec) MaxSurge() int {
	if s.UpdateStrategy == nil || s.UpdateStrategy.MaxSurge == nil {
		return DefaultMaxSurge
	}
	return int(*s.UpdateStrategy.MaxSurge)
}

// TransferLimit is how many bytes a node that joins copies each second at most; 0: there is
// no limit.
func (s *SeppenClusterSpec) TransferLimit() int64 {
	if s.Transfer == nil || s.Transfer.MaxBytesPerSecond == nil {
		return 0
	}
	return s.Transfer.MaxBytesPerSecond.Value()
}

// Nodes are the nodes that the spec asks for, in the order of the ring. It is what both
// the operator and seppen local go by. The cluster must be valid.
func (c *SeppenCluster) Nodes() ([]layout.Name, error) {
	if len(c.Spec.Ranges) > 0 {
		return layout.ParseNames(c.Spec.Ranges)
	}
	return layout.Names(c.Name, int(*c.Spec.Shards), int(*c.Spec.Copies))
}

// Validate says what is wrong with a cluster after Default: what the API server would
// refuse, and ranges that leave a slot without a node, which it cannot know.
func (c *SeppenCluster) Validate() field.ErrorList {
	var errs field.ErrorList
	name := field.NewPath("metadata", "name")
	if c.Name == "" {
		errs = append(errs, field.Required(name, "nodes are named after it"))
	} else {
		for _, why := range validation.IsDNS1035Label(c.Name) {
			errs = append(errs, field.Invalid(name, c.Name, why))
		}
		if len(c.Name) > MaxNameLength {
			errs = append(errs, field.TooLong(name, c.Name, MaxNameLength))
		}
	}
	spec := field.NewPath("spec")
	errs = append(errs, between(spec.Child("shards"), *c.Spec.Shards, MaxShards)...)
	errs = append(errs, between(spec.Child("copies"), *c.Spec.Copies, MaxCopies)...)
	errs = append(errs, c.Spec.validateMemory(spec)...)
	errs = append(errs, c.Spec.validateResources(spec.Child("resources", "requests"))...)
	errs = append(errs, positive(spec.Child("valueSizeLimit"), c.Spec.ValueSizeLimit)...)
	if s := c.Spec.UpdateStrategy; s != nil {
		errs = append(errs, between(spec.Child("updateStrategy", "maxSurge"), *s.MaxSurge, layout.MaxShards)...)
	}
	if limit := c.Spec.TransferLimit(); c.Spec.Transfer != nil && c.Spec.Transfer.MaxBytesPerSecond != nil && limit < minTransfer {
		errs = append(errs, field.Invalid(spec.Child("transfer", "maxBytesPerSecond"), c.Spec.Transfer.MaxBytesPerSecond.String(), "must be at least 64Ki"))
	}
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
		if len(name) > MaxRangeLength {
			errs = append(errs, field.TooLong(path.Index(i), name, MaxRangeLength))
		}
	}
	names, err := layout.ParseNames(s.Ranges)
	if err != nil {
		errs = append(errs, field.Invalid(path, s.Ranges, err.Error()))
	}
	// In Kubernetes {name}-{lo} is the name of the node's StatefulSet.
	begins := make(map[string]layout.Name, len(names))
	for i, name := range names {
		set := StatefulSetName(name)
		if other, ok := begins[set]; ok {
			errs = append(errs, field.Invalid(path.Index(i), name.String(), fmt.Sprintf("begins like %s: no two may have the same NAME-LO, here %s", other, set)))
		}
		begins[set] = name
	}
	return errs
}

// StatefulSetName is the name of the StatefulSet whose one pod is called as the node is.
func StatefulSetName(n layout.Name) string { return fmt.Sprintf("%s-%d", n.Base, n.Range.Lo) }

func (s *SeppenClusterSpec) validateMemory(spec *field.Path) field.ErrorList {
	limit := s.MemoryLimit
	if limit == nil {
		return nil
	}
	path := spec.Child("memoryLimit")
	if limit.Value() < minMemoryLimit {
		return field.ErrorList{field.Invalid(path, limit.String(), "must be at least 1Mi")}
	}
	if s.Resources == nil {
		return nil
	}
	if most, ok := s.Resources.Limits[corev1.ResourceMemory]; ok && most.Value() < limit.Value()+minMemoryRest {
		return field.ErrorList{field.Invalid(path, limit.String(), "must be at least 32Mi below resources.limits.memory: a node needs more than its keys and values")}
	}
	return nil
}

// validateResources finds what no pod can ask for: more than it may use.
func (s *SeppenClusterSpec) validateResources(requests *field.Path) field.ErrorList {
	if s.Resources == nil {
		return nil
	}
	var errs field.ErrorList
	for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		request, requested := s.Resources.Requests[r]
		limit, limited := s.Resources.Limits[r]
		if requested && limited && request.Cmp(limit) > 0 {
			errs = append(errs, field.Invalid(requests.Child(string(r)), request.String(), fmt.Sprintf("must not be above resources.limits.%s: no pod could be made", r)))
		}
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

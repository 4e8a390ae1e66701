package objects

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	mib = 1 << 20

	// plainMemory is the container's limit where the user gives no figure at all.
	plainMemory = 1 << 30
	// minBeside is what a node gets at least beside its keys and values.
	minBeside = 64 * mib
	// plainCPU is enough to be scheduled with, and not a limit.
	plainCPU = "100m"
)

// resources are the user's, with what is missing filled in. A node fills its memory with
// data, so it asks for all that it may use: no other pod's need can then kill it. There is
// no limit of CPU, which would only hold up a node in the middle of a write.
func resources(c *v1alpha1.SeppenCluster) corev1.ResourceRequirements {
	var r corev1.ResourceRequirements
	if c.Spec.Resources != nil {
		r = *c.Spec.Resources.DeepCopy()
	}
	if r.Limits == nil {
		r.Limits = corev1.ResourceList{}
	}
	if r.Requests == nil {
		r.Requests = corev1.ResourceList{}
	}
	request, requested := r.Requests[corev1.ResourceMemory]
	if _, limited := r.Limits[corev1.ResourceMemory]; !limited {
		limit := *resource.NewQuantity(containerMemory(c.Spec.MemoryLimit), resource.BinarySI)
		if requested && request.Cmp(limit) > 0 {
			limit = request.DeepCopy()
		}
		r.Limits[corev1.ResourceMemory] = limit
	}
	if !requested {
		r.Requests[corev1.ResourceMemory] = r.Limits.Memory().DeepCopy()
	}
	if _, requested := r.Requests[corev1.ResourceCPU]; !requested {
		cpu := resource.MustParse(plainCPU)
		if limit, limited := r.Limits[corev1.ResourceCPU]; limited && limit.Cmp(cpu) < 0 {
			cpu = limit.DeepCopy()
		}
		r.Requests[corev1.ResourceCPU] = cpu
	}
	return r
}

// containerMemory is the limit of a container, in bytes, whose node may store so much:
// what a node stores is at most three quarters of what it may use, as where it is told
// neither.
func containerMemory(limit *resource.Quantity) int64 {
	if limit == nil {
		return plainMemory
	}
	// No machine has a quarter of the largest number, and above it the sum is none.
	store := min(limit.Value(), math.MaxInt64/4)
	all := store + max(store/3, minBeside)
	return (all + mib - 1) / mib * mib
}

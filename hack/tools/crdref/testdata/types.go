package testdata

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Flake is one of many.
//
// +kubebuilder:object:root=true
type Flake struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec FlakeSpec `json:"spec,omitempty"`
}

// FlakeSpec says which flake | there
// should be.
type FlakeSpec struct {
	// Weight of it.
	// +optional
	Weight *resource.Quantity `json:"weight,omitempty"`
	// Arms of it, see [Arm].
	Arms []Arm `json:"arms"`
	// Colour it has.
	Colour string `json:"colour,omitempty"`
	// Labels it has.
	Labels map[string]string `json:"labels,omitempty"`
	// Names it has.
	Names []string `json:"names,omitempty"`
	// Affinity to others.
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	hidden int
}

// Arm of a flake.
type Arm struct {
	// Length of it.
	Length int32 `json:"length"`
}

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SeppenCluster is a distributed in-memory key-value store with a REST interface.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=sc,categories=all
// +kubebuilder:printcolumn:name="Shards",type=integer,JSONPath=`.spec.shards`
// +kubebuilder:printcolumn:name="Copies",type=integer,JSONPath=`.spec.copies`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SeppenCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec says which cluster there should be.
	// +kubebuilder:default={}
	// +optional
	Spec SeppenClusterSpec `json:"spec,omitzero"`
}

// SeppenClusterSpec says which nodes hold which part of the keys and values, and how
// much each may take. A cluster has max(shards, copies) nodes, or those of ranges.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ranges) || (self.shards == 3 && self.copies == 2)",message="ranges takes the place of shards and copies: leave these two out"
type SeppenClusterSpec struct {
	// Shards is the number of parts into which the 256 slots are cut, from 1 to 256.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	// +optional
	Shards *int32 `json:"shards,omitempty"`

	// Copies is the number of nodes that hold each key and value, from 1 to 8. Each
	// write costs this many times its memory. The cluster survives the unplanned loss
	// of all but one of them; with one copy the data of a node dies with its process.
	// +kubebuilder:default=2
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8
	// +optional
	Copies *int32 `json:"copies,omitempty"`

	// Ranges are hand-written node names, instead of shards and copies: each is
	// NAME-LO-HI with the first and the last slot that the node holds, 0 to 255. With
	// LO above HI the range wraps around, as in c-170-84. Together they must cover
	// every slot.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9][-a-z0-9]*(-(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])){2}$`
	// +listType=set
	// +optional
	Ranges []string `json:"ranges,omitempty"`

	// MemoryLimit is how much memory one node may use for keys, values and what it
	// needs to find them. A write that would pass it is refused with 507. Without it a
	// node takes a share of the memory of its container or machine.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="must be more than nothing"
	// +optional
	MemoryLimit *resource.Quantity `json:"memoryLimit,omitempty"`

	// ValueSizeLimit is the largest value that is accepted. A larger one is refused
	// with 413.
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="must be more than nothing"
	// +optional
	ValueSizeLimit *resource.Quantity `json:"valueSizeLimit,omitempty"`
}

// SeppenClusterList is a list of clusters.
//
// +kubebuilder:object:root=true
type SeppenClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	// Items are the clusters.
	Items []SeppenCluster `json:"items"`
}

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SeppenCluster is a distributed in-memory key-value store with a REST interface.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=sc;seppen,categories=all
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.shards,statuspath=.status.shards,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Shards",type=integer,JSONPath=`.status.shards`,description="parts into which the slots are cut"
// +kubebuilder:printcolumn:name="Copies",type=integer,JSONPath=`.status.copies`,description="nodes that hold each key and value"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.ready`,description="nodes that serve, of all"
// +kubebuilder:printcolumn:name="Keys",type=integer,JSONPath=`.status.keys`,description="keys, each counted once"
// +kubebuilder:printcolumn:name="Size",type=string,JSONPath=`.status.size`,description="bytes of keys and values, each counted once"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Epoch",type=integer,JSONPath=`.status.epoch`,priority=1
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.status.memory`,priority=1
// +kubebuilder:printcolumn:name="Secret",type=string,JSONPath=`.status.secretName`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="the name is too long, at most 40 characters: a pod is called {name}-{lo}-{hi} and that must fit a DNS label"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="the name must be lower-case letters, digits and dashes and begin with a letter: a Service and the pods are called after it"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.epoch) || oldSelf.status.epoch == 0 || (has(self.spec.secretRef) == has(oldSelf.spec.secretRef) && (!has(self.spec.secretRef) || self.spec.secretRef == oldSelf.spec.secretRef))",message="spec.secretRef cannot be changed once the cluster has started: all keys and values are placed by the secret"
type SeppenCluster struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// Spec says which cluster there should be.
	// +kubebuilder:default={}
	// +optional
	Spec SeppenClusterSpec `json:"spec,omitzero"`

	// Status says what there is. The operator writes it.
	// +optional
	Status SeppenClusterStatus `json:"status,omitzero"`
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

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// SeppenClusterSpec says which nodes hold which part of the keys and values, and how
// much each may take. A cluster has max(shards, copies) nodes, or those of ranges.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ranges) || (self.shards == 3 && self.copies == 2)",message="ranges takes the place of shards and copies: leave these two out"
// +kubebuilder:validation:XValidation:rule="!has(self.memoryLimit) || !has(self.resources) || !has(self.resources.limits) || !('memory' in self.resources.limits) || quantity(string(self.resources.limits['memory'])).compareTo(quantity(string(self.memoryLimit)).add(quantity('32Mi'))) >= 0",message="memoryLimit must be at least 32Mi below resources.limits.memory: a node needs more than its keys and values"
// +kubebuilder:validation:XValidation:rule="!has(self.resources) || !has(self.resources.requests) || !has(self.resources.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(r, !(r in self.resources.requests) || !(r in self.resources.limits) || quantity(string(self.resources.requests[r])).compareTo(quantity(string(self.resources.limits[r]))) <= 0)",message="resources.requests must not be above resources.limits: no pod could be made"
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
	// every slot, and no two may have the same NAME-LO.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=48
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9][-a-z0-9]*(-(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])){2}$`
	// +listType=set
	// +optional
	Ranges []string `json:"ranges,omitempty"`

	// MemoryLimit is how much memory one node may use for keys, values and what it
	// needs to find them, such as 2Gi. Up to a quarter of it is kept for values that pass
	// through: as much as valueSizeLimit, but no less than an eighth and no more than a
	// quarter. The rest holds keys, values and unfinished uploads: 236Mi of 300Mi, 896Mi
	// of 1Gi. A write that would pass that is refused with 507.
	// Without it a node takes three quarters of resources.limits.memory. If that is not
	// given, it follows from this limit; if neither is, the container's limit is 1Gi.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0",message="must be at least 1Mi"
	// +optional
	MemoryLimit *resource.Quantity `json:"memoryLimit,omitempty"`

	// ValueSizeLimit is the largest value that is accepted, such as 64Mi. A larger one
	// is refused with 413.
	// +kubebuilder:default="64Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).isGreaterThan(quantity('0'))",message="must be more than nothing"
	// +optional
	ValueSizeLimit *resource.Quantity `json:"valueSizeLimit,omitempty"`

	// Image is the container image of the nodes. Without it they run the operator's.
	// +kubebuilder:validation:MinLength=1
	// +optional
	Image string `json:"image,omitempty"`

	// ImagePullPolicy says when a machine fetches the image.
	// +kubebuilder:default=IfNotPresent
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	// +optional
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// ImagePullSecrets are Secrets of this namespace to fetch the image with.
	// +listType=map
	// +listMapKey=name
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// Resources are what a node's container asks for and may use. Where it gives no
	// memory limit, one that suits memoryLimit is set.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`

	// SecretRef names the Secret with the cluster's secret: the key under which values
	// are named and nodes trust each other. Without it the operator makes a random one,
	// {name}-secret, and never touches it again. It cannot be changed once the cluster
	// has started.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Service is how clients in the cluster find the nodes: the Service {name}.
	// +optional
	Service *ServiceSpec `json:"service,omitempty"`

	// PodTemplate adds to the nodes' pods.
	// +optional
	PodTemplate *PodTemplate `json:"podTemplate,omitempty"`

	// UpdateStrategy says how nodes are replaced: each by a new one beside it, which first
	// copies what the old one holds.
	// +optional
	UpdateStrategy *UpdateStrategy `json:"updateStrategy,omitempty"`

	// Transfer limits what nodes copy from each other when they join.
	// +optional
	Transfer *TransferSpec `json:"transfer,omitempty"`
}

// UpdateStrategy says how nodes are replaced.
type UpdateStrategy struct {
	// MaxSurge is how many nodes are replaced at a time when their template changed or
	// their machine is drained. So many pods more than usual run meanwhile. A change of
	// shards or copies brings in all nodes of the new ranges at once.
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=256
	// +optional
	MaxSurge *int32 `json:"maxSurge,omitempty"`
}

// TransferSpec limits what nodes copy from each other.
type TransferSpec struct {
	// MaxBytesPerSecond is how much a node that joins copies each second at most, such as
	// 50Mi. Without it, as much as goes without holding up clients.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('64Ki')) >= 0",message="must be at least 64Ki"
	// +optional
	MaxBytesPerSecond *resource.Quantity `json:"maxBytesPerSecond,omitempty"`
}

// SecretReference names one key of a Secret in the cluster's namespace.
type SecretReference struct {
	// Name is the Secret's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// Key is the key in its data, 1 to 4096 bytes long.
	// +kubebuilder:default=secret
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Key string `json:"key,omitempty"`
}

// ServiceSpec is what can be chosen about the Service for clients.
type ServiceSpec struct {
	// Type is the Service's type.
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	// +optional
	Type corev1.ServiceType `json:"type,omitempty"`

	// Annotations are added to the Service.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// Port is the Service's port. The nodes listen on 21285 in any case.
	// +kubebuilder:default=21285
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`
}

// PodTemplate is what can be added to the nodes' pods.
type PodTemplate struct {
	// Metadata is added to the pods' own. Labels that the operator sets stay as they are.
	// +optional
	Metadata *PodMetadata `json:"metadata,omitempty"`

	// Spec says where the pods may run and as whom.
	// +optional
	Spec *PodPlacement `json:"spec,omitempty"`
}

// PodMetadata is added to the metadata of pods.
type PodMetadata struct {
	// Labels to add.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// Annotations to add.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// PodPlacement says where pods may run and as whom.
type PodPlacement struct {
	// NodeSelector are labels that a machine must have.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Affinity to machines and other pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// Tolerations of the machines' taints.
	// +listType=atomic
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// TopologySpreadConstraints take the place of the default, which spreads the
	// cluster's pods evenly over machines so that copies do not share one. An empty list
	// takes the default away.
	// +listType=atomic
	// +optional
	TopologySpreadConstraints *[]corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// PriorityClassName is the pods' priority.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// ServiceAccountName is whom the pods run as. Nodes do not use the Kubernetes API
	// and get no token in any case.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}

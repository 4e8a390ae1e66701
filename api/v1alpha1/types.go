package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

// SeppenClusterStatus says what there is.
type SeppenClusterStatus struct {
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions are Ready (every slot can be read and written), Progressing (the
	// operator is at work, or why it cannot go on), Degraded (copies are missing) and
	// DataLost (all copies of some slots were lost).
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Epoch of the layout; 0 before there is one.
	// +optional
	Epoch int64 `json:"epoch,omitempty"`

	// Shards that the cluster has.
	// +optional
	Shards int32 `json:"shards,omitempty"`

	// Copies that the cluster has of each key and value: with ranges, the fewest.
	// +optional
	Copies int32 `json:"copies,omitempty"`

	// Ready is how many nodes serve, of how many: 3/3.
	// +optional
	Ready string `json:"ready,omitempty"`

	// Keys that are stored, each counted once.
	// +optional
	Keys int64 `json:"keys"`

	// Bytes of keys and values that are stored, each counted once.
	// +optional
	Bytes int64 `json:"bytes"`

	// Size is Bytes for people.
	// +optional
	Size string `json:"size,omitempty"`

	// Memory that all nodes use for what they store, and may use, for people.
	// +optional
	Memory string `json:"memory,omitempty"`

	// MissingCopies is how many copies of slots are missing, of 256 for each of copies.
	// +optional
	MissingCopies int32 `json:"missingCopies,omitempty"`

	// LostSlots are the losses of data that were not acknowledged yet, the latest last. A
	// loss is acknowledged by the annotation seppen.io/losses-seen with its epoch, or a
	// later one.
	// +listType=map
	// +listMapKey=epoch
	// +optional
	LostSlots []SlotLoss `json:"lostSlots,omitempty"`

	// SecretName is the Secret in use.
	// +optional
	SecretName string `json:"secretName,omitempty"`

	// Selector of the nodes' pods, for the scale subresource.
	// +optional
	Selector string `json:"selector,omitempty"`

	// Nodes of the cluster, in the order of the ring.
	// +listType=map
	// +listMapKey=name
	// +optional
	Nodes []NodeStatus `json:"nodes,omitempty"`
}

// NodeStatus is one node.
type NodeStatus struct {
	// Name of the node and of its pod.
	Name string `json:"name"`

	// Range of slots that it holds, first to last.
	// +optional
	Range string `json:"range,omitempty"`

	// Host is its DNS name inside the Kubernetes cluster.
	// +optional
	Host string `json:"host,omitempty"`

	// Incarnation is the life of the process that answers, or did last.
	// +optional
	Incarnation string `json:"incarnation,omitempty"`

	// Phase is joining, attached, serving or leaving; empty: its process is no member.
	// +optional
	Phase string `json:"phase,omitempty"`

	// Ready tells whether it serves.
	Ready bool `json:"ready"`

	// Message says why it does not serve, or what was lost with it.
	// +optional
	Message string `json:"message,omitempty"`

	// Keys that it holds, also as a copy of another node's.
	// +optional
	Keys int64 `json:"keys,omitempty"`

	// Bytes of memory that it uses for what it holds.
	// +optional
	Bytes int64 `json:"bytes,omitempty"`

	// CopyBytesLeft is about how much a joining node has still to copy from the others.
	// +optional
	CopyBytesLeft int64 `json:"copyBytesLeft,omitempty"`

	// CopySecondsLeft is about how long that takes at the present speed; 0: not known.
	// +optional
	CopySecondsLeft int64 `json:"copySecondsLeft,omitempty"`

	// Retiring tells that the node goes as soon as others have what it holds.
	// +optional
	Retiring bool `json:"retiring,omitempty"`

	// SafeToDelete tells whether nothing would be lost if the node's pod ended at once. A
	// pod that is deleted with its grace period loses nothing in any case: it waits until
	// others have what it holds.
	SafeToDelete bool `json:"safeToDelete"`

	// SafeToDeleteReason says why it is not, such as "85-169 has one copy", or why it is.
	// +optional
	SafeToDeleteReason string `json:"safeToDeleteReason,omitempty"`
}

// SlotLoss is the loss of all copies of some slots at one time.
type SlotLoss struct {
	// Epoch of the layout with which the slots began anew, empty.
	Epoch int64 `json:"epoch"`

	// Slots whose keys and values were lost, as ranges.
	Slots string `json:"slots"`

	// Count is how many slots these are.
	Count int32 `json:"count"`

	// Time when it was given up to wait for the copies.
	Time metav1.Time `json:"time"`

	// Cause says what became of the nodes that had the copies.
	// +optional
	Cause string `json:"cause,omitempty"`
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

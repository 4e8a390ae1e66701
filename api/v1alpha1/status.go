package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

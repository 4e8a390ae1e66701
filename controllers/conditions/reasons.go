package conditions

// The conditions.
const (
	Ready       = "Ready"
	Progressing = "Progressing"
	Degraded    = "Degraded"
	DataLost    = "DataLost"
)

// Reasons of Ready.
const (
	Serving          = "Serving"          // every slot can be read and written
	Starting         = "Starting"         // no layout yet, or the first one is on its way
	SlotsUnavailable = "SlotsUnavailable" // some slots are not served
	Stopped          = "Stopped"          // a Stop, and no layout
)

// Reasons of Progressing.
const (
	Creating      = "Creating"      // pods are to come
	Bootstrapping = "Bootstrapping" // the first layout is on its way
	TakingOver    = "TakingOver"    // slots have another first owner, which is not active yet
	Joining       = "Joining"       // a process is let in and copies, or a layout is on its way
	Scaling       = "Scaling"       // the nodes of another shape come, and the old ones go
	Draining      = "Draining"      // nodes whose pods or machines go are replaced
	Replacing     = "Replacing"     // nodes of an older template are replaced
	Complete      = "Complete"      // nothing is left to do
	ImagePull     = "ImagePull"     // a kubelet cannot get the image
	Unschedulable = "Unschedulable" // no machine has room for a pod
	PodConfig     = "PodConfig"     // a kubelet cannot make the container
	PodCrashing   = "PodCrashing"   // a process ends again and again
	PodMissing    = "PodMissing"    // a StatefulSet makes no pod
	PodNotEnding  = "PodNotEnding"  // a pod that was deleted is there long after its end
	ProofMissing  = "ProofMissing"  // the last copies are with nodes that do not answer
	Stuck         = "Stuck"         // something else keeps the layout from its next step
)

// Reasons of a Stop, which are reasons of Progressing too.
const (
	InvalidSpec      = "InvalidSpec"      // the spec cannot be made a cluster
	NameConflict     = "NameConflict"     // an object of somebody else has a name that is needed
	SecretNotFound   = "SecretNotFound"   // there is no such Secret
	SecretInvalid    = "SecretInvalid"    // the Secret has no such key, or it is empty or too long
	SecretChanged    = "SecretChanged"    // it is not the secret that the cluster began with
	LayoutLost       = "LayoutLost"       // nodes have a layout, and there is none
	LayoutUnreadable = "LayoutUnreadable" // what lies in the layout's place is no layout
	LayoutConflict   = "LayoutConflict"   // a node knows a newer layout, or another one of the same epoch
	ApplyFailed      = "ApplyFailed"      // the API server refused an object
)

// Reasons of Degraded.
const (
	AllCopies       = "AllCopies"       // no copy is missing
	CopiesMissing   = "CopiesMissing"   // copies are lost, of each slot one is left
	SlotsLost       = "SlotsLost"       // all copies of some slots are lost
	NodeUnreachable = "NodeUnreachable" // a node does not answer but may live
	NoLayout        = "NoLayout"        // who holds what is not known
)

// Reasons of DataLost.
const (
	NothingLost  = "NothingLost"  // or somebody has seen what was
	SlotsGivenUp = "SlotsGivenUp" // slots began anew, empty
)

// NotAsked is a reason of Ready and Degraded: the operator has no word from a node, nor
// that there was none.
const NotAsked = "NotAsked"

// Reasons of events that are no reasons of conditions.
const (
	Started       = "Started"       // the first layout was written
	NodeAdded     = "NodeAdded"     // a node is to come
	NodeRetired   = "NodeRetired"   // a node is no more
	ChangeDone    = "ChangeDone"    // a change is done
	NodeRestarted = "NodeRestarted" // a node came back empty
	Recovered     = "Recovered"     // no copy is missing any more
)

// Reason is one reason of a condition, for those who read it.
type Reason struct {
	Condition, Status, Reason string
	Meaning, Do               string // Markdown
}

// Reasons are all that there are. docs/conditions.md is made from them.
func Reasons() []Reason {
	var all []Reason
	for _, of := range [][]Reason{readyReasons, progressingReasons, stopReasons, degradedReasons, lostReasons} {
		all = append(all, of...)
	}
	return all
}

var readyReasons = []Reason{
	{Ready, "True", Serving, "Every slot can be read and written.", "Nothing."},
	{
		Ready, "False", Starting, "The cluster is being made: there is no layout yet, or the first one is on its way to the nodes.",
		"Wait. `Progressing` says what for.",
	},
	{
		Ready, "False", SlotsUnavailable, "Slots are not served: an owner is not there, or the first one has not taken over yet. The message names the slots and the nodes. A write needs every owner of its slot, a read of a key the first one. Requests for other slots are served; those for these get `503` and can be repeated.",
		"Wait some seconds: where another copy is left, another owner takes over. If it stays so, see what `Progressing` waits for.",
	},
	{
		Ready, "False", Stopped, "The operator cannot go on and there is no layout. The message repeats the cause that `Progressing` gives. Nodes that have a layout go on with it.",
		"What the reason of `Progressing` asks for.",
	},
	{
		Ready, "Unknown", NotAsked, "The operator has just started for the first time, or cannot talk to the nodes without the secret; or a node does not answer it of which other nodes hear. They may well serve.",
		"What the reason of `Progressing` asks for; otherwise wait some seconds. If a node does not answer for long, look at what keeps the operator from its port 21286, such as a NetworkPolicy.",
	},
}

var progressingReasons = []Reason{
	{
		Progressing, "True", Creating, "Pods are to come, to start or to answer. The message says which, and how far they are.",
		"Wait. If a pod is being started for long, look at its events. If a process `does not answer yet` for long, look at the log of its pod, and at what keeps the operator from its port 21286.",
	},
	{Progressing, "True", Bootstrapping, "All nodes are there, the first layout was written and is on its way to them.", "Wait, it takes seconds."},
	{
		Progressing, "True", TakingOver, "Slots have another first owner than before, and it makes sure that nothing is lost before it serves them. The message begins with what happened.",
		"Wait, it takes some seconds.",
	},
	{
		Progressing, "True", Joining, "A process is let in and copies its slots from the others, or there is a new layout that some nodes do not have yet. The message begins with the step of the layout that was made, or what the next one waits for.",
		"Wait; `copyBytesLeft` in `status.nodes` says how much is still to copy. If `2 processes claim to be` one node, an old process of it may still run: it must be known to have ended first.",
	},
	{
		Progressing, "True", Scaling, "`shards`, `copies` or `ranges` changed: the nodes of the new shape come, copy their slots from the old ones and take over; then the old ones go. The message says which come and how far they are, with about how much is left to copy and how long that takes, and which go.",
		"Wait. The old nodes serve until the new ones do, so all new ones need room beside them. If a new one has `no pod` or a pod that is pending for long, look at its events. A change of mind is another shape: set it, and what is not needed goes.",
	},
	{
		Progressing, "True", Draining, "Nodes are replaced because their pod is being deleted, or because their machine is cordoned, has a taint that they do not tolerate, or is lost. A new node comes beside each, copies its slots and takes over; then the old one goes. The message says which, how far they are, and who waits for a turn.",
		"Wait; `kubectl drain` does so by itself. If a new one has `no pod` or a pod that is pending for long, look at its events: there must be room on another machine.",
	},
	{
		Progressing, "True", Replacing, "The template of the pods changed, by the spec or by another version of the operator. Nodes are replaced one after the other, `updateStrategy.maxSurge` at a time, each by a new one beside it. The message says which, how far they are, and who waits for a turn.",
		"Wait. If a new one does not start, set the spec right or back: the old ones serve until then.",
	},
	{
		Progressing, "False", Complete, "There is nothing left to do for the operator. This does not mean that no copy is missing.",
		"Nothing.",
	},
	{
		Progressing, "False", ImagePull, "A machine cannot get the image of a pod. The message has the image and what the kubelet said.",
		"Set `spec.image` and `spec.imagePullSecrets` right. Pods that hold nothing are replaced by themselves; the nodes whose place they were to take serve on.",
	},
	{
		Progressing, "False", Unschedulable, "The scheduler finds no machine for a pod. The message is the scheduler's.",
		"Add machines, or ask for less: `spec.resources`, `spec.memoryLimit`, `spec.podTemplate.spec`.",
	},
	{
		Progressing, "False", PodConfig, "A machine cannot make the container of a pod. The message is the kubelet's.",
		"Put right what it names, such as a Secret without the key.",
	},
	{
		Progressing, "False", PodCrashing, "The process of a node ends again and again, or did in the last ten minutes. The message has its last exit code; `OOMKilled` means that it took more than its container's memory limit.",
		"Read `kubectl logs --previous POD`. After `OOMKilled` set `spec.resources.limits.memory` higher or `spec.memoryLimit` lower. A pod of an old template that holds nothing is replaced by itself.",
	},
	{
		Progressing, "False", PodMissing, "A StatefulSet has been there for a minute and there is no pod: mostly the API server refuses it, because of a quota, an admission policy, or a ServiceAccount or PriorityClass that does not exist.",
		"Read why: `kubectl describe statefulset` with the name that the message has. Put it right; Kubernetes tries again by itself, ever more seldom: up to some 17 minutes later.",
	},
	{
		Progressing, "False", PodNotEnding, "A pod that was deleted is there more than a minute after its grace period: mostly its machine does not answer. It is of a node that went, or of an earlier cluster and has the name of a new pod. Until it is gone no pod may be evicted. The message names the machine.",
		"See what became of the machine. If it is shut down for good, give it the taint `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`, or delete its Node: then Kubernetes takes the pod away.",
	},
	{
		Progressing, "False", ProofMissing, "Nodes do not answer, the last copies of some slots may be with them, and nothing proves that their processes ended. These slots answer `503`; as long as the nodes may live, nobody takes their place.",
		"See what became of the machine or its network: if the nodes come back, all is there again. If a machine is shut down for good, give it the taint `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`. If you know otherwise that a process ended, annotate the resource with `seppen.io/presumed-dead=` and the incarnations that the message names, separated by commas; names of nodes count for nothing. **Their data is lost then**, even if it turns out that they live. Take the annotation away afterwards.",
	},
	{
		Progressing, "False", Stuck, "Something keeps the layout from its next step. The message says what.",
		"If `2 processes claim to be` one node, an old process of it may still run: see that it ends. If nodes `do not reach each other`, look at the network between them.",
	},
}

var stopReasons = []Reason{
	{Progressing, "False", InvalidSpec, "The spec cannot be made a cluster. The message names the field.", "Set the field right."},
	{
		Progressing, "False", NameConflict, "An object of a name that the cluster needs exists and is not the cluster's. It is not touched.",
		"If the message says that a SeppenCluster controls it, leave it, as it may have data of that one: make this cluster under another name. Else delete or rename that object, or give the cluster another name.",
	},
	{
		Progressing, "False", SecretNotFound, "The Secret with the cluster's secret does not exist.",
		"Create it; it is seen within ten seconds. Where the cluster ran already, restore it from a backup: **no other secret will do**, keys and values are placed by it. The nodes serve meanwhile, but one that restarts cannot come back.",
	},
	{
		Progressing, "False", SecretInvalid, "The Secret has no such key, or its value is empty or longer than 4096 bytes.",
		"Set `spec.secretRef.key` or the Secret right.",
	},
	{
		Progressing, "False", SecretChanged, "The Secret holds another secret than the one that the cluster began with.",
		"Restore the old one. The nodes serve meanwhile, but one that restarts cannot come back. To use a new secret, make a new cluster.",
	},
	{
		Progressing, "False", LayoutLost, "The nodes have a layout, but the ConfigMap `{name}-layout` is gone. Nothing is begun anew, as that would lose what they hold. The nodes serve with the layout that they have.",
		"Restore the ConfigMap from a backup. Or copy out what matters, delete the resource and make it anew, empty.",
	},
	{
		Progressing, "False", LayoutUnreadable, "What lies in the ConfigMap `{name}-layout` is no layout of this cluster. The nodes serve with the layout that they have.",
		"Restore the ConfigMap from a backup, and never edit it.",
	},
	{
		Progressing, "False", LayoutConflict, "A node knows a newer layout than the ConfigMap `{name}-layout` has, or another one of the same epoch: an old one was restored, or it was edited. The nodes serve with the one that they have. Nothing is changed.",
		"Restore the newest backup of the ConfigMap, if it has the layout that the nodes have, and never edit it. Without one, as after etcd was restored: copy out what matters, delete the resource and make it anew, empty.",
	},
	{
		Progressing, "False", ApplyFailed, "The API server refused an object of the cluster, or to delete one. The message is its answer.",
		"Put right what it names: a quota, an admission policy, the operator's permissions, a field of the spec.",
	},
}

var degradedReasons = []Reason{
	{Degraded, "False", AllCopies, "No copy is missing.", "Nothing."},
	{
		Degraded, "True", CopiesMissing, "Copies are missing: a process ended, or was given up, and what it held in memory is gone. Of each slot at least one copy is left. The message says how many copies of which slots there are, and how far the nodes are that are to have them.",
		"Wait: nodes that come back copy their slots from the others. If one does not come back, `Progressing` says why.",
	},
	{
		Degraded, "True", SlotsLost, "**All copies of some slots are lost**, and with them their keys and values. The message names the slots. They answer `503` until a process stands ready to begin them anew; see `DataLost`.",
		"Wait for the nodes to come back, and store again what was lost.",
	},
	{
		Degraded, "True", NodeUnreachable, "A node does not answer the operator, and it is not known whether it lives. As long as other nodes hear of it, it serves; if they do not, and others have all that it has, they take over.",
		"If it stays so, look at its machine, at its log, and at what keeps the operator from its port 21286, such as a NetworkPolicy.",
	},
	{
		Degraded, "Unknown", NoLayout, "There is no layout, so it is not known who holds what: the cluster is being made, or its layout was lost.",
		"What `Progressing` says.",
	},
	{
		Degraded, "Unknown", NotAsked, "The operator has just started for the first time, or cannot talk to the nodes without the secret.",
		"What the reason of `Progressing` asks for; otherwise wait some seconds.",
	},
}

var lostReasons = []Reason{
	{DataLost, "False", NothingLost, "No data was lost, or somebody has seen what was.", "Nothing."},
	{
		DataLost, "True", SlotsGivenUp, "**All keys and values of some slots were lost**, as all processes that had them ended; the slots began anew, empty. The message names the slots and the time, and what became of the processes. Keys of other slots whose values were among those lost are deleted. `status.lostSlots` has all losses.",
		"Store again what was lost. Annotate the resource with `seppen.io/losses-seen=` and the epoch that the message names when you have seen it: then this is `False` again.",
	},
}

// eventReason is one reason of an event that is no reason of a condition too.
type eventReason struct{ Type, Reason, Meaning string }

// eventReasons are all that there are.
func eventReasons() []eventReason {
	all := []eventReason{
		{"Normal", Started, "The first layout was written: the cluster has begun."},
		{"Normal", NodeAdded, "Nodes are to come, for a new shape or in the place of others. The message names them."},
		{"Normal", NodeRetired, "Nodes are no more: others have what they held. The message names them."},
		{"Normal", ChangeDone, "A change that `Progressing` told of is done."},
		{"Warning", NodeRestarted, "A node's process was replaced by another one, and what it held in memory is gone. The message names the node, its slots and, where it is known, how the process before ended."},
		{"Warning", CopiesMissing, "Copies were lost, as `Degraded` says. Another event follows when more are lost."},
		{"Warning", SlotsLost, "All copies of some slots are lost, as `Degraded` says. The message names the slots."},
		{"Warning", SlotsGivenUp, "Slots began anew, empty, as `DataLost` says. Once for each loss; the message names the slots and what became of the processes that had them."},
		{"Warning", ProofMissing, "The last copies of slots are with nodes that do not answer, as `Progressing` says."},
		{"Normal", Recovered, "No copy is missing any more."},
	}
	for _, r := range progressingReasons {
		if r.Status == "False" && r.Reason != Complete && r.Reason != ProofMissing && r.Reason != Stuck {
			all = append(all, eventReason{"Warning", r.Reason, "The first pod has this cause, as `Progressing` says."})
		}
	}
	for _, r := range stopReasons {
		all = append(all, eventReason{"Warning", r.Reason, "The operator cannot go on, as `Progressing` says."})
	}
	return all
}

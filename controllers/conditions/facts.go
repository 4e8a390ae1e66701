// Package conditions says how a cluster is: from all that the operator saw and did in
// one reconcile it makes the resource's status and the events to send. It is pure: no
// network, no clock, and the facts are not changed.
//
//	Ready        can every slot be read and written, now?
//	Progressing  is the operator at work, and if it cannot go on, why?
//	Degraded     are copies missing?
//	DataLost     were all copies of some slots lost?
//
// What happened is found by comparing with the status before, so an event is sent once,
// and a status that could not be written is worked out again, events and all.
package conditions

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/v1alpha1"
)

// Facts are all that the status is made of. None of them is a secret, so that no
// message can be one.
type Facts struct {
	Cluster        *v1alpha1.SeppenCluster // the spec as observed and the status before
	Now            time.Time               // not zero
	Names          []layout.Name           // the nodes that are to be there when all is done: of each range that is asked for one
	Shards, Copies int                     // that these are
	Layout         *layout.Layout          // durable and valid; nil: none
	Before         *layout.Layout          // the one before the step of this reconcile; nil: none, or there was no step
	Stop           *Stop                   // what keeps the operator from going on; nil: nothing
	Step           string                  // what placement said: why there is no next layout, or what the last step was
	Stepped        bool                    // a step was made in this reconcile; Step says which
	Nodes          []Node                  // all, also those that go
	Left           []Left                  // what is there still of other nodes
	Surge          int                     // how many are replaced at a time
	Wrote          time.Time               // when the status before was written; zero: not known
	// Silent is for how long members have not answered, Dead which are proven to have ended
	// and how that is known: those that stand in neither answer, or were not asked yet.
	Silent map[layout.ID]time.Duration
	Dead   map[layout.ID]string
	// Told is the layout that the status before was about, if that is known, and Died is who
	// was found to be dead since: a status is not written after each step.
	Told       *layout.Layout
	Died       map[layout.ID]string
	SecretName string
	Selector   string // of pods, as text
}

// Node is what is known of one node.
type Node struct {
	Name layout.Name
	Host string      // DNS name
	Pod  *corev1.Pod // nil: there is none
	// Earlier is a pod of its name that is not the cluster's, without Pod: there can be only one
	// of a name. An earlier cluster's may take long to end.
	Earlier *corev1.Pod
	// Absent is for how long it has had neither, though its StatefulSet is there.
	Absent time.Duration
	Status *peer.Status
	// Err is why Status is nil: why the process does not answer. With neither, it has
	// not been asked yet, and what was said of it before stands.
	Err      string
	Outdated bool // its pod runs an older template than its StatefulSet has
	Old      bool // the same, and it holds something
	Going    bool // it is none of Names
	Waiting  bool // it is to be replaced, and others are first
	Moves    bool // its machine is being emptied
	Ends     bool // it is being stopped, or its place will be gone
}

// Left is a node that is no more, and of which something is there still.
type Left struct {
	Name layout.Name
	Pod  *corev1.Pod // nil: only its StatefulSet
}

// Stop is a cause that only a person (or time) can take away.
type Stop struct{ Reason, Message string }

// Event is to be sent after the status was written.
type Event struct{ Type, Reason, Message string }

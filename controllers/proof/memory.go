package proof

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/eiri/seppen/api/layout"
)

// lag is how old a kubelet's report may be when it is seen, as long as the kubelet
// reports at all.
const lag = 10 * time.Second

// Memory keeps what was seen of pods for as long as a process that lived in one matters:
// the last that is heard of a pod is often heard of it when it is gone. It is lost with
// the operator, and with it proofs, but nothing else.
type Memory struct {
	mu    sync.Mutex
	homes map[types.UID]*home
}

// home is a pod, there or not.
type home struct {
	cluster types.NamespacedName
	machine string
	end     *Ending // the latest after which a kubelet reported that nothing ran
	endSeen time.Time
	over    *Ending                 // see Over
	heard   map[layout.ID]time.Time // when an incarnation first answered from here
}

// See takes in what a pod's status says, at the time when it is known.
func (m *Memory) See(cluster types.NamespacedName, pod *corev1.Pod, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.homes[pod.UID]
	if h == nil {
		if m.homes == nil {
			m.homes = make(map[types.UID]*home)
		}
		h = &home{cluster: cluster, heard: make(map[layout.ID]time.Time)}
		m.homes[pod.UID] = h
	}
	if pod.Spec.NodeName != "" {
		h.machine = pod.Spec.NodeName
	}
	if over := Over(pod); over != nil {
		h.over = over
	}
	if end := EndOf(pod); Stopped(pod) && (h.end == nil || h.end.Container != end.Container) {
		h.end, h.endSeen = end, now
	}
}

// Hear takes in that an incarnation answers from a pod.
func (m *Memory) Hear(pod types.UID, incarnation layout.ID, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[pod]; h != nil {
		if _, known := h.heard[incarnation]; !known {
			h.heard[incarnation] = now
		}
	}
}

// Over is the end of the last container that a pod had or will have, whoever ran in it; nil: it is
// not known that there was one. See the function Over.
func (m *Memory) Over(pod types.UID) *Ending {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[pod]; h != nil {
		return h.over
	}
	return nil
}

// Ended is how the process of an incarnation ended, whose last answer came at that time,
// zero being that none is known; nil if it is not known that it did.
//
// A report does not say whose end it is: it may be that of the container before, while
// the incarnation runs in the next one. So only one counts that says that nothing runs, and that
// came after its last answer, and later after its first one than a report takes: when it was
// made, the incarnation had begun, and so it is one of those that have ended.
func (m *Memory) Ended(pod types.UID, incarnation layout.ID, answered time.Time) *Ending {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.homes[pod]
	if h == nil || h.end == nil {
		return nil
	}
	first, known := h.heard[incarnation]
	if !known || answered.IsZero() || !h.endSeen.After(answered) || h.endSeen.Sub(first) < lag {
		return nil
	}
	return h.end
}

// Machine is the one that a pod was bound to, for good; empty if it is not known.
func (m *Memory) Machine(pod types.UID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h := m.homes[pod]; h != nil {
		return h.machine
	}
	return ""
}

// Keep forgets the pods of a cluster that are not told.
func (m *Memory) Keep(cluster types.NamespacedName, pods map[types.UID]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for uid, h := range m.homes {
		if h.cluster == cluster && !pods[uid] {
			delete(m.homes, uid)
		}
	}
}

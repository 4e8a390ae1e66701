package fakenode

import (
	"slices"

	"github.com/eiri/seppen/api/peer"
)

// LetGo tells whether a process that was told to stop may: by the newest layout that it has it
// has no duties, or the cluster is no more.
func (n *Node) LetGo() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	dissolved := slices.ContainsFunc(n.told, func(s peer.Settings) bool { return s.Dissolve })
	return dissolved || !n.phase.Acknowledges()
}

package placement

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// Observation is a node that answers, and what it says of itself.
type Observation struct {
	Name        layout.Name
	Address     string // of its peer port, host:port
	Home        string // see layout.Member
	Incarnation layout.ID
	Cluster     layout.ID // zero: none yet
	Epoch       uint64    // of the layout it has, 0: none yet
	Layout      string    // that layout's hash, as in peer.Status; empty: unknown
	Purged      uint64    // see peer.Status
	Unfit       bool      // it is being stopped, or is retired: it must not become a member
	Segments    []peer.SegmentStatus
	Peers       []peer.PeerStatus
	Joining     []peer.JoiningStatus
	// Answering is for how long it has answered without a gap of SuspectAfter. Who was
	// paused finds everybody silent when it wakes, and everybody it.
	Answering time.Duration
}

// World is what the author sees.
type World struct {
	Seen []Observation
	// Silent is for how long members have not answered the author. Members that do not
	// stand here answer, or have not been asked for long enough to say.
	Silent map[layout.ID]time.Duration
	// Ending is how long members have that will be killed soon, or end by themselves.
	Ending map[layout.ID]time.Duration
	// Dead are incarnations whose processes are proven to have ended. Whoever says so has
	// checked it after the layout was read.
	Dead []layout.ID
}

const (
	// SuspectAfter is for how long a member must be silent to be suspected.
	SuspectAfter = 1200 * time.Millisecond
	// CutAfter is for how long two members that both answer the author must not reach
	// each other for one of them to go.
	CutAfter = 3 * time.Second
	// HurryBefore is how long before its end a member gives its slots up, if it can.
	HurryBefore = 5 * time.Second
	// WordAfter is for how long the word of a primary is waited for that does not answer, before
	// members are attached to its slots without.
	WordAfter = 30 * time.Second
	// ForgetAfter is for how long a joining member may be silent. It costs nothing.
	ForgetAfter = 30 * time.Second
)

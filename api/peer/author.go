package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// callTimeout bounds the author's calls.
const callTimeout = 5 * time.Second

// Status is what a node says of itself.
type Status struct {
	Name        string    `json:"name"`
	Range       string    `json:"range"`
	Incarnation layout.ID `json:"incarnation"`
	Cluster     layout.ID `json:"cluster"`
	Epoch       uint64    `json:"epoch"`            // 0: no layout yet
	Layout      string    `json:"layout,omitempty"` // the layout's hash, hexadecimal: of one epoch there is one
	Phase       string    `json:"phase"`            // empty: not a member
	Ready       bool      `json:"ready"`
	Reason      string    `json:"reason,omitempty"` // why not ready
	// Stuck is why something could not be copied when it was last tried; empty while all goes well.
	Stuck string `json:"stuck,omitempty"`
	// Ending: the process was told to stop and waits to be let go (docs/changes.md).
	Ending bool `json:"ending,omitempty"`
	// WaitsFor is for how many more milliseconds it waits for that at most: then it ends, though
	// nobody let it go. Absent if it was not told to stop.
	WaitsFor *int64 `json:"waitsFor,omitempty"`
	// Retired: it was leaving when it was taken out of the layout. It passes requests on, and
	// holds what is of the past: it must never be a member again under this incarnation.
	Retired bool `json:"retired,omitempty"`

	Keys        int64   `json:"keys"`
	Values      int64   `json:"values"`
	KeyBytes    int64   `json:"keyBytes"`
	ValueBytes  int64   `json:"valueBytes"`
	MemoryUsed  int64   `json:"memoryUsed"`
	MemoryLimit int64   `json:"memoryLimit"`
	DedupRatio  float64 `json:"dedupRatio"` // bytes that keys refer to per byte stored

	Lease         string `json:"lease,omitempty"` // "held": reads of all slots that it is the primary of; "lost": not of all; empty: of none
	SlotsOwned    int    `json:"slotsOwned"`
	SlotsComplete int    `json:"slotsComplete"` // of which everything is here
	SlotsActive   int    `json:"slotsActive"`   // that it is the active primary of
	SlotsLost     int    `json:"slotsLost"`     // of the cluster's, that were given up of late
	CopyBytesLeft int64  `json:"copyBytesLeft"` // about, until it is complete
	// CopyBytesPerSecond is how fast values were copied in the last ten seconds, and
	// CopySecondsLeft about how long the rest takes: 0 if nothing is left, -1 if nothing comes.
	CopyBytesPerSecond int64 `json:"copyBytesPerSecond,omitempty"`
	CopySecondsLeft    int64 `json:"copySecondsLeft,omitempty"`
	// Purged is the epoch up to which its entries refer to no value that was lost.
	Purged uint64 `json:"purged"`

	Segments []SegmentStatus `json:"segments,omitempty"` // of the layout, as far as it is or will be their owner
	Peers    []PeerStatus    `json:"peers,omitempty"`    // that it exchanges beats with
	Joining  []JoiningStatus `json:"joining,omitempty"`  // that are to own slots whose primary it is; older versions say nothing of them
	Members  []MemberStatus  `json:"members,omitempty"`  // not given to the author, who knows them
}

// SegmentStatus is what a node holds of one segment of the layout.
type SegmentStatus struct {
	Lo    uint8 `json:"lo"` // the segment's first slot
	Keys  int64 `json:"keys"`
	Bytes int64 `json:"bytes"` // of keys and values

	View     uint64 `json:"view"`
	Active   bool   `json:"active,omitempty"`   // it is the primary of the slots and active
	Copied   bool   `json:"copied,omitempty"`   // it has copied them once, without being an owner yet
	Complete bool   `json:"complete,omitempty"` // everything of them is here: it may serve
}

// PeerStatus is whether a node hears of another one.
type PeerStatus struct {
	Incarnation layout.ID `json:"incarnation"`
	Silent      int64     `json:"silent"` // milliseconds since it last answered or beat
}

// JoiningStatus is whether a member that joins answers a primary of its slots.
type JoiningStatus struct {
	Incarnation layout.ID `json:"incarnation"`
	Answered    bool      `json:"answered,omitempty"` // once at least, since it is a member
	Silent      int64     `json:"silent"`             // milliseconds since it last answered, or since it is asked
}

// Within tells whether the member has answered so short a time ago.
func (s *JoiningStatus) Within(d time.Duration) bool {
	return s.Answered && time.Duration(s.Silent)*time.Millisecond < d
}

// MemberStatus is what a node knows of a member.
type MemberStatus struct {
	Name      string `json:"name"`
	Range     string `json:"range"`
	Address   string `json:"address"`
	Phase     string `json:"phase"`
	Reachable *bool  `json:"reachable,omitempty"` // absent: not tried of late
}

// PushLayout hands a layout to a node and returns the epoch that the node has then.
// It must be durable before (I6). The node refuses another layout of an epoch that
// it has.
func PushLayout(ctx context.Context, c *Conn, l *layout.Layout) (uint64, error) {
	r, err := c.Call(ctx, callTimeout, OpLayout, l.Epoch, l.Encode(), nil)
	if err != nil {
		return 0, fmt.Errorf("push layout %d to %s: %w", l.Epoch, c.Remote().Name, err)
	}
	if r.Code != CodeOK {
		return 0, fmt.Errorf("push layout %d to %s: %s: %s", l.Epoch, c.Remote().Name, r.Code, r.Payload)
	}
	now, err := layout.Decode(r.Payload)
	if err != nil {
		return 0, fmt.Errorf("push layout %d to %s: %w", l.Epoch, c.Remote().Name, err)
	}
	return now.Epoch, nil
}

// FetchStatus asks a node how it is.
func FetchStatus(ctx context.Context, c *Conn) (Status, error) {
	var s Status
	r, err := c.Call(ctx, callTimeout, OpStatus, 0, nil, nil)
	if err == nil && r.Code != CodeOK {
		err = fmt.Errorf("%s: %s", r.Code, r.Payload)
	}
	if err == nil {
		err = json.Unmarshal(r.Payload, &s)
	}
	if err != nil {
		return s, fmt.Errorf("status of %s: %w", c.Remote().Name, err)
	}
	return s, nil
}

package layout

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// ID is 128 random bits. The zero ID means none.
type ID [16]byte

// NewID returns a fresh random ID.
func NewID() ID {
	var id ID
	rand.Read(id[:]) // it never fails: it ends the process instead
	return id
}

// String is the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the ID in hexadecimal.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an ID in hexadecimal.
func (id *ID) UnmarshalText(b []byte) error {
	if len(b) != 2*len(id) {
		return fmt.Errorf("%q is not an ID of 32 hexadecimal digits", b)
	}
	_, err := hex.Decode(id[:], b)
	return err
}

// Phase is how far a member has come.
type Phase uint8

// The phases in the order in which a member passes them (REPLICATION R2).
const (
	// Joining members copy data and have no duties.
	Joining Phase = iota + 1
	// Attached members acknowledge writes but are not complete yet.
	Attached
	// Serving members have everything of their slots (I3).
	Serving
	// Leaving members acknowledge writes until their replacements are active.
	Leaving
)

var phaseNames = map[Phase]string{Joining: "joining", Attached: "attached", Serving: "serving", Leaving: "leaving"}

// String is the phase's name.
func (p Phase) String() string {
	if s, ok := phaseNames[p]; ok {
		return s
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

// Acknowledges tells whether a write needs the acknowledgement of members in this
// phase (I2).
func (p Phase) Acknowledges() bool { return p == Attached || p == Serving || p == Leaving }

// Member is one incarnation of a node.
type Member struct {
	Name        Name
	Address     string // of the peer port, host:port
	Home        string // where the process lives, in the author's words: of one home's processes at most one lives at a time
	Incarnation ID     // one life of the node's process
	JoinEpoch   uint64 // the epoch that made this incarnation a member
	Phase       Phase
}

// Segment is a run of neighbouring slots with the same owners.
type Segment struct {
	Lo    uint8    // its first slot; it ends where the next segment begins
	Order []uint16 // members by their place in Layout.Members; the first serving one is the primary
	View  uint64   // the epoch in which its acknowledging members or its primary last changed
	Loss  uint64   // the epoch in which all its copies were given up, 0: never, or all traces of it are gone
}

// Layout is the whole truth about a cluster's members in one epoch. It is never
// changed once written; a change is a new layout with a higher epoch (I6).
type Layout struct {
	Cluster  ID // of this cluster, chosen when it was made
	Epoch    uint64
	Members  []Member
	Segments []Segment // sorted by Lo, the first has Lo 0
	// Dead are incarnations whose processes are proven to have ended: nobody waits for
	// their leases.
	Dead []ID
}

// Names are the members' names, each once, in the members' order.
func (l *Layout) Names() []Name {
	var names []Name
	for i := range l.Members {
		if n := l.Members[i].Name; !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// Hash names the layout's content: two layouts of one epoch must have one hash.
func (l *Layout) Hash() [sha256.Size]byte { return sha256.Sum256(l.Encode()) }

// Validate tells what is wrong with a layout, if anything. Every slot must have a
// member that acknowledges writes (I7).
func (l *Layout) Validate() error {
	if l.Cluster == (ID{}) || l.Epoch == 0 {
		return errors.New("layout: no cluster or no epoch")
	}
	if err := l.validateMembers(); err != nil {
		return fmt.Errorf("layout %d: %w", l.Epoch, err)
	}
	if len(l.Segments) == 0 || l.Segments[0].Lo != 0 {
		return fmt.Errorf("layout %d: the first segment does not begin at slot 0", l.Epoch)
	}
	for i := range l.Segments {
		if err := l.validateSegment(i); err != nil {
			return fmt.Errorf("layout %d: segment %d: %w", l.Epoch, l.Segments[i].Lo, err)
		}
	}
	return nil
}

func (l *Layout) validateMembers() error {
	if len(l.Members) == 0 {
		return errors.New("no members")
	}
	if len(l.Members) > maxMembers {
		return fmt.Errorf("%d members, at most %d", len(l.Members), maxMembers)
	}
	if len(l.Dead) > maxMembers || slices.Contains(l.Dead, ID{}) {
		return errors.New("the list of the dead is too long or has an empty incarnation")
	}
	seen := make(map[ID]bool, len(l.Members))
	for i := range l.Members {
		m := &l.Members[i]
		if m.Incarnation == (ID{}) || seen[m.Incarnation] {
			return fmt.Errorf("member %s: incarnation %s is empty or stands twice", m.Name, m.Incarnation)
		}
		seen[m.Incarnation] = true
		if _, ok := phaseNames[m.Phase]; !ok {
			return fmt.Errorf("member %s: %s", m.Name, m.Phase)
		}
		if m.JoinEpoch == 0 || m.JoinEpoch > l.Epoch {
			return fmt.Errorf("member %s: joined in epoch %d", m.Name, m.JoinEpoch)
		}
		if m.Address == "" || m.Name.Base == "" {
			return fmt.Errorf("member %s: no address or no name", m.Name)
		}
	}
	return nil
}

func (l *Layout) validateSegment(i int) error {
	s := &l.Segments[i]
	if i > 0 && s.Lo <= l.Segments[i-1].Lo {
		return errors.New("not after the one before it")
	}
	if s.View == 0 || s.View > l.Epoch || s.Loss > l.Epoch {
		return fmt.Errorf("view %d, loss %d", s.View, s.Loss)
	}
	last := l.end(i)
	acknowledging := 0
	for j, m := range s.Order {
		if int(m) >= len(l.Members) || slices.Contains(s.Order[:j], m) {
			return fmt.Errorf("owner %d is no member or stands twice", m)
		}
		member := &l.Members[m]
		for slot := int(s.Lo); slot <= last; slot++ {
			if !member.Name.Range.Contains(uint8(slot)) {
				return fmt.Errorf("owner %s does not hold slot %d", member.Name, slot)
			}
		}
		if member.Phase.Acknowledges() {
			acknowledging++
		}
	}
	if acknowledging == 0 {
		return errors.New("no owner")
	}
	return nil
}

// end is the last slot of segment i.
func (l *Layout) end(i int) int {
	if i+1 < len(l.Segments) {
		return int(l.Segments[i+1].Lo) - 1
	}
	return Slots - 1
}

// SegmentsOf cuts the ring into segments wherever a member's range begins or ends.
// Owners are ordered by how far the segment is from the beginning of their range,
// so that primaries spread over all nodes; joining members own nothing yet. A
// segment's view is the given epoch.
func SegmentsOf(members []Member, view uint64) []Segment {
	var cuts [Slots]bool
	cuts[0] = true
	for i := range members {
		r := members[i].Name.Range
		cuts[r.Lo] = true
		cuts[r.Hi+1] = true
	}
	var out []Segment
	for s := range Slots {
		if !cuts[s] {
			continue
		}
		seg := Segment{Lo: uint8(s), View: view}
		for i := range members {
			if members[i].Phase.Acknowledges() && members[i].Name.Range.Contains(uint8(s)) {
				seg.Order = append(seg.Order, uint16(i))
			}
		}
		slices.SortFunc(seg.Order, func(a, b uint16) int { return byDistance(&members[a], &members[b], seg.Lo) })
		out = append(out, seg)
	}
	return out
}

func byDistance(a, b *Member, slot uint8) int {
	return cmp.Or(
		cmp.Compare(slot-a.Name.Range.Lo, slot-b.Name.Range.Lo),
		cmp.Compare(a.Name.String(), b.Name.String()),
		bytes.Compare(a.Incarnation[:], b.Incarnation[:]),
	)
}

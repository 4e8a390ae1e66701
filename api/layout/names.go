package layout

import (
	"errors"
	"fmt"
	"strings"
)

// Name is a node's name, {base}-{lo}-{hi}: it spells the node's range.
type Name struct {
	Base  string // any text, dashes included, but not empty
	Range Range
}

// String spells the name.
func (n Name) String() string { return n.Base + "-" + n.Range.String() }

// ParseName reads a node's name. The last two numbers are the range, all before them
// is the base.
func ParseName(s string) (Name, error) {
	bad := func(why string) (Name, error) {
		return Name{}, fmt.Errorf("node name %q: %s; a name is {name}-{lo}-{hi}, such as snow-170-84", s, why)
	}
	j := strings.LastIndexByte(s, '-')
	if j < 0 {
		return bad("no range at its end")
	}
	i := strings.LastIndexByte(s[:j], '-')
	if i < 0 {
		return bad("no range at its end")
	}
	if i == 0 {
		return bad("nothing before the range")
	}
	r, err := ParseRange(s[i+1:])
	if err != nil {
		return bad(err.Error())
	}
	return Name{Base: s[:i], Range: r}, nil
}

// Limits of what can be asked for.
const (
	MaxShards = Slots
	MaxCopies = Slots
)

// Names computes the nodes of a cluster of so many shards and copies: N = max(shards,
// copies) nodes, where node i holds the slots b(i) to b(i+copies)-1 and b(i) =
// ⌊256·i/N⌋, so that every slot has exactly so many copies.
func Names(base string, shards, copies int) ([]Name, error) {
	if base == "" {
		return nil, errors.New("the cluster's name is empty")
	}
	if shards < 1 || shards > MaxShards {
		return nil, fmt.Errorf("%d shards: must be 1 to %d", shards, MaxShards)
	}
	if copies < 1 || copies > MaxCopies {
		return nil, fmt.Errorf("%d copies: must be 1 to %d", copies, MaxCopies)
	}
	n := max(shards, copies)
	names := make([]Name, n)
	for i := range names {
		lo, next := Slots*i/n, Slots*((i+copies)%n)/n
		names[i] = Name{Base: base, Range: Range{uint8(lo), uint8(next - 1)}}
	}
	return names, nil
}

// ParseNames reads hand-written names and checks that together they can be a
// cluster: none twice, no slot without an owner.
func ParseNames(list []string) ([]Name, error) {
	if len(list) == 0 {
		return nil, errors.New("no node names given")
	}
	names := make([]Name, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		n, err := ParseName(s)
		if err != nil {
			return nil, err
		}
		if seen[s] {
			return nil, fmt.Errorf("node name %q stands twice", s)
		}
		seen[s] = true
		names = append(names, n)
	}
	if gaps := Uncovered(names); len(gaps) > 0 {
		return nil, fmt.Errorf("no node holds slots %s", joinRanges(gaps))
	}
	return names, nil
}

// SameNames tells whether two lists, none of which has a name twice, have the same ones.
func SameNames(a, b []Name) bool {
	if len(a) != len(b) {
		return false
	}
	in := make(map[Name]bool, len(a))
	for _, n := range a {
		in[n] = true
	}
	for _, n := range b {
		if !in[n] {
			return false
		}
	}
	return true
}

// Uncovered returns the slots that no name's range has, as ranges.
func Uncovered(names []Name) []Range {
	var missing [Slots]bool
	for s := range missing {
		missing[s] = true
		for _, n := range names {
			if n.Range.Contains(uint8(s)) {
				missing[s] = false
				break
			}
		}
	}
	return Ranges(&missing)
}

func joinRanges(rs []Range) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = r.String()
	}
	return strings.Join(parts, ", ")
}

package layout

import (
	"fmt"
	"strconv"
	"strings"
)

// Range is an inclusive range of slots. With Lo > Hi it wraps: 170-84 is the slots
// 170 to 255 and 0 to 84.
type Range struct{ Lo, Hi uint8 }

// Size is the number of slots in the range, 1 to 256.
func (r Range) Size() int { return int(r.Hi-r.Lo) + 1 }

// Contains tells whether the range has the slot.
func (r Range) Contains(slot uint8) bool { return slot-r.Lo <= r.Hi-r.Lo }

// String spells the range as it stands in names: "170-84".
func (r Range) String() string {
	return strconv.Itoa(int(r.Lo)) + "-" + strconv.Itoa(int(r.Hi))
}

// parseSlot reads a slot as names spell it: decimal, no sign, no leading zero.
func parseSlot(s string) (uint8, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a slot, a number from 0 to 255", s)
	}
	return uint8(n), nil
}

// ParseRange reads a range as String prints it.
func ParseRange(s string) (Range, error) {
	lo, hi, ok := strings.Cut(s, "-")
	if !ok {
		return Range{}, fmt.Errorf("%q is not a range such as 170-84", s)
	}
	l, err := parseSlot(lo)
	if err != nil {
		return Range{}, fmt.Errorf("range %q: %w", s, err)
	}
	h, err := parseSlot(hi)
	if err != nil {
		return Range{}, fmt.Errorf("range %q: %w", s, err)
	}
	return Range{l, h}, nil
}

// Ranges joins slots, of which in has some, to as few ranges as possible; a run that
// passes from 255 to 0 is one range.
func Ranges(in *[Slots]bool) []Range {
	var out []Range
	for s := range Slots {
		if !in[s] {
			continue
		}
		if n := len(out); n > 0 && int(out[n-1].Hi) == s-1 {
			out[n-1].Hi = uint8(s)
			continue
		}
		out = append(out, Range{uint8(s), uint8(s)})
	}
	if n := len(out); n > 1 && out[0].Lo == 0 && out[n-1].Hi == Slots-1 {
		out[0].Lo = out[n-1].Lo
		out = out[:n-1]
	}
	return out
}

package conditions

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/eiri/seppen/api/layout"
)

const (
	// maxMessage in bytes: longer events are refused by the API server.
	maxMessage = 1024
	// maxDetail is how much of it may be what somebody else said: a kubelet, a node.
	maxDetail = 300
	// Of more than manyNames nodes only the first few are named.
	manyNames, fewNames = 8, 6
	maxGroups           = 4
)

// clip cuts a text to so many bytes, on one line and never within a character.
func clip(s string, most int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	if len(s) <= most {
		return s
	}
	const more = "…"
	end := most - len(more)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}

// slotSet is a set of slots.
type slotSet [layout.Slots]bool

func (in *slotSet) empty() bool { return *in == slotSet{} }

// text spells the slots as ranges, such as "0-84, 170-255", in about so many bytes.
// A range never wraps around here: people read it, not nodes.
func (in *slotSet) text(room int) string {
	var parts []string
	for lo := 0; lo < layout.Slots; lo++ {
		if !in[lo] {
			continue
		}
		hi := lo
		for hi+1 < layout.Slots && in[hi+1] {
			hi++
		}
		if hi == lo {
			parts = append(parts, fmt.Sprint(lo))
		} else {
			parts = append(parts, layout.Range{Lo: uint8(lo), Hi: uint8(hi)}.String())
		}
		lo = hi
	}
	for i, used := 0, 0; i < len(parts); i++ {
		if used += len(parts[i]) + len(", "); used > room && i > 0 {
			return fmt.Sprintf("%s and %d more ranges", strings.Join(parts[:i], ", "), len(parts)-i)
		}
	}
	return strings.Join(parts, ", ")
}

// remark is what is to be said of a node.
type remark struct {
	name layout.Name
	why  string
}

// remarks puts together the nodes of which the same is to be said, in the order of the
// ring: "c-0-84, c-85-169: no pod yet; c-170-255: its pod is being started".
func remarks(list []remark) string {
	var whys []string
	names := make(map[string][]string)
	for _, r := range list {
		if names[r.why] == nil {
			whys = append(whys, r.why)
		}
		names[r.why] = append(names[r.why], r.name.String())
	}
	var parts []string
	left := len(list)
	for _, why := range whys {
		if len(parts) == maxGroups {
			parts = append(parts, fmt.Sprintf("%d more nodes: see status.nodes", left))
			break
		}
		parts = append(parts, few(names[why])+": "+why)
		left -= len(names[why])
	}
	return strings.Join(parts, "; ")
}

// few names all of a few and the first few of many.
func few(names []string) string {
	if len(names) <= manyNames {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:fewNames], ", "), len(names)-fewNames)
}

// plural is "1 node serves" or "2 nodes serve".
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// sentence ends a text with one full stop.
func sentence(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

package ring

import (
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// mark is a node's phase, and what is particular about it. An exclamation mark at its end
// means that it should serve and does not.
func (r *row) mark() string {
	text := "no member"
	if r.phase != 0 {
		text = r.phase.String()
	}
	goes := r.status != nil && r.status.Retiring
	switch {
	case goes && r.phase == layout.Leaving:
	case goes:
		text += ", goes"
	case r.status != nil && !r.status.Ready && (r.phase == 0 || r.phase == layout.Serving):
		text += " !"
	}
	return text
}

// quiet tells whether there is nothing to tell of a node but that it serves.
func (r *row) quiet() bool {
	return r.phase == layout.Serving && r.members == 1 && r.status != nil && r.status.Ready && !r.status.Retiring
}

// comes tells whether a node is on its way to be a copy.
func (r *row) comes() bool {
	return r.phase == layout.Joining || r.phase == layout.Attached
}

// moves are the nodes that come, and those that go.
func (p *picture) moves(rows []row) []string {
	var out []remark
	for i := range rows {
		r := &rows[i]
		switch {
		case r.comes():
			out = append(out, remark{r.name.String(), left(r.phase, r.status)})
		case r.status != nil && r.status.Retiring:
			out = append(out, remark{r.name.String(), goes(r)})
		}
	}
	return p.remarks("Moves:", out)
}

func goes(r *row) string {
	if r.phase == 0 {
		return "goes: it holds nothing any more"
	}
	return "goes, as soon as others have what it holds"
}

// left says how much a node has still to copy, how fast and for how long.
func left(phase layout.Phase, s *v1alpha1.NodeStatus) string {
	text := phase.String()
	switch {
	case s == nil:
		return text
	case s.CopyBytesLeft <= 0 && phase == layout.Attached:
		return text + ", about to serve"
	case s.CopyBytesLeft <= 0:
		return text
	}
	text += ", " + Bytes(s.CopyBytesLeft) + " left"
	if s.CopySecondsLeft <= 0 {
		return text
	}
	return fmt.Sprintf("%s, %s/s, about %v", text, Bytes(s.CopyBytesLeft/s.CopySecondsLeft), time.Duration(s.CopySecondsLeft)*time.Second)
}

// problems are nodes that should serve and do not.
func (p *picture) problems(rows []row) []string {
	var out []remark
	for i := range rows {
		r := &rows[i]
		if r.status == nil || r.status.Ready || r.status.Retiring || r.comes() {
			continue
		}
		why := r.status.Message
		if why == "" {
			why = "not ready"
		}
		out = append(out, remark{r.name.String(), why})
	}
	return p.remarks("Do not serve:", out)
}

func (p *picture) losses() []string {
	var out []string
	for _, l := range p.Cluster.Status.LostSlots {
		text := fmt.Sprintf("slots %s in epoch %d, at %s", l.Slots, l.Epoch, l.Time.UTC().Format(time.RFC3339))
		if l.Cause != "" {
			text += ": " + l.Cause
		}
		out = append(out, p.style.fold("  ", text)...)
	}
	return headed("Lost, with all copies:", out)
}

const reasonsShown = 8

// safety says which pods may end at once. Nodes with the same to say share a line.
func (p *picture) safety() []string {
	type verdict struct {
		safe bool
		why  string
	}
	var order []verdict
	names := make(map[verdict][]string)
	for _, n := range p.Cluster.Status.Nodes {
		v := verdict{n.SafeToDelete, n.SafeToDeleteReason}
		if names[v] == nil {
			order = append(order, v)
		}
		names[v] = append(names[v], n.Name)
	}
	slices.SortStableFunc(order, func(a, b verdict) int { return compare(a.safe, b.safe) })
	var out []string
	for i, v := range order {
		if i == reasonsShown {
			out = append(out, fmt.Sprintf("  and %d more: -o json has all", len(order)-i))
			break
		}
		head := "  no   "
		if v.safe {
			head = "  yes  "
		}
		out = append(out, p.style.fold(head, fmt.Sprintf("%s: %s", some(names[v]), v.why))...)
	}
	return headed("Safe to delete (each alone, at once):", out)
}

// compare puts false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// some are the first few of many names.
func some(names []string) string {
	const few = 4
	text := ""
	for i, n := range names[:min(len(names), few)] {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	if more := len(names) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// remark is what there is to tell of a node.
type remark struct{ name, text string }

// remarks has the names below each other, and so what is told of them.
func (p *picture) remarks(title string, remarks []remark) []string {
	names := 0
	for _, r := range remarks {
		names = max(names, len(r.name))
	}
	var out []string
	for _, r := range remarks {
		out = append(out, p.style.fold(fmt.Sprintf("  %-*s  ", names, r.name), r.text)...)
	}
	return headed(title, out)
}

func headed(title string, lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	return append([]string{title}, lines...)
}

func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func orNone(ready string) string {
	if ready == "" {
		return "0/0"
	}
	return ready
}

// Bytes is a number of bytes with the largest unit that leaves at least one.
func Bytes(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, next
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

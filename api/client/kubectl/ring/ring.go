// Package ring draws a cluster as text: a bar of the ring's 256 slots for each node, how many
// copies there are, what moves, and what of it may be deleted. It is pure.
package ring

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

// Draw returns the lines of a picture of a cluster. There may be no layout yet.
func Draw(c *v1alpha1.SeppenCluster, l *layout.Layout, s Style) []string {
	s.Width = max(s.Width, minWidth)
	p := &picture{Cluster: c, Layout: l, style: s}
	if l != nil {
		p.table = layout.NewTable(l)
	}
	lines := p.lines(p.rows(), 0)
	if s.Height == 0 || len(lines) <= s.Height {
		return lines
	}
	var telling []row
	all := p.rows()
	for _, r := range all {
		if !r.quiet() {
			telling = append(telling, r)
		}
	}
	lines = p.lines(telling, len(all)-len(telling))
	return lines[:min(len(lines), s.Height)]
}

type picture struct {
	Cluster *v1alpha1.SeppenCluster
	Layout  *layout.Layout // nil: none yet
	table   *layout.Table
	style   Style
}

func (p *picture) lines(rows []row, hidden int) []string {
	out := p.headline()
	out = append(out, "")
	out = append(out, p.bars(rows, hidden)...)
	for _, section := range [][]string{p.moves(rows), p.problems(rows), p.losses(), p.safety()} {
		if len(section) > 0 {
			out = append(append(out, ""), section...)
		}
	}
	return out
}

// headline is what the conditions and figures say.
func (p *picture) headline() []string {
	c, s := p.Cluster, &p.Cluster.Status
	out := p.style.fold("", fmt.Sprintf("%s in %s: %s nodes ready, %s, epoch %d, %s, %s",
		c.Name, c.Namespace, orNone(s.Ready), shape(c), s.Epoch, count(s.Keys, "key", "keys"), Bytes(s.Bytes)))
	for _, name := range []string{"Ready", "Progressing", "Degraded", "DataLost"} {
		is := meta.FindStatusCondition(s.Conditions, name)
		if is == nil || name == "DataLost" && is.Status == metav1.ConditionFalse {
			continue
		}
		for i, line := range p.style.fold(fmt.Sprintf("  %-12s", name), fmt.Sprintf("%s %s: %s", is.Status, is.Reason, is.Message)) {
			if i == 0 && wrong(is) {
				line = p.style.paint(alarm, line)
			}
			out = append(out, line)
		}
	}
	if s.ObservedGeneration < c.Generation {
		out = append(out, p.style.fold("  ", "The operator has not told of the last change of the spec yet.")...)
	}
	if p.Layout != nil && s.Epoch != int64(p.Layout.Epoch) {
		out = append(out, p.style.fold("  ", fmt.Sprintf("The layout is of epoch %d; the status tells of the one before.", p.Layout.Epoch))...)
	}
	return out
}

// wrong tells whether a condition says that somebody has to look.
func wrong(c *metav1.Condition) bool {
	switch c.Type {
	case "Ready":
		return c.Status != metav1.ConditionTrue
	case "Progressing":
		return c.Status == metav1.ConditionFalse && c.Reason != "Complete"
	}
	return c.Status == metav1.ConditionTrue
}

func shape(c *v1alpha1.SeppenCluster) string {
	is := fmt.Sprintf("%s, %s", count(int64(c.Status.Shards), "shard", "shards"), count(int64(c.Status.Copies), "copy", "copies"))
	if len(c.Spec.Ranges) > 0 || c.Spec.Shards == nil || c.Spec.Copies == nil {
		return is
	}
	if *c.Spec.Shards == c.Status.Shards && *c.Spec.Copies == c.Status.Copies {
		return is
	}
	return fmt.Sprintf("%s (asked for: %d, %d)", is, *c.Spec.Shards, *c.Spec.Copies)
}

// bars are the rows, with the ring's scale above and the copies and a legend below.
func (p *picture) bars(rows []row, hidden int) []string {
	if len(rows) == 0 && hidden == 0 {
		return []string{"There are no nodes yet."}
	}
	names, marks := len("copies"), 0
	for i := range rows {
		names = max(names, utf8.RuneCountInString(rows[i].name.String()))
		marks = max(marks, len(rows[i].mark()))
	}
	names = min(names, max(p.style.Width/3, 16))
	cells := min(max(p.style.Width-names-marks-4, 8), layout.Slots)
	line := func(name, bar, mark string) string {
		name = p.style.shorten(name, names)
		return strings.TrimRight(name+strings.Repeat(" ", names-utf8.RuneCountInString(name))+"  "+bar+"  "+mark, " ")
	}
	out := []string{line("", scale(cells), "")}
	for i := range rows {
		r := &rows[i]
		mark := r.mark()
		if strings.HasSuffix(mark, "!") {
			mark = p.style.paint(alarm, mark)
		}
		out = append(out, line(r.name.String(), p.style.bar(r.cells(cells)), mark))
	}
	if hidden > 0 {
		out = append(out, fmt.Sprintf("(%s more serve)", count(int64(hidden), "node", "nodes")))
	}
	if p.Layout == nil {
		return append(out, "There is no layout yet: nobody holds anything.")
	}
	return append(append(out, line("copies", p.digits(cells), "")), p.legend()...)
}

// digits are the copies of each cell, a plus where they are more than nine.
func (p *picture) digits(cells int) string {
	var b strings.Builder
	for _, n := range p.copies(cells) {
		text, color := fmt.Sprint(n), ""
		if n > 9 {
			text = "+"
		}
		if n < int(p.Cluster.Status.Copies) || n == 0 {
			color = alarm
		}
		b.WriteString(p.style.paint(color, text))
	}
	return b.String()
}

func (p *picture) legend() []string {
	var parts []string
	for _, s := range []struct {
		state
		text string
	}{{primary, "first owner"}, {serving, "serving"}, {leaving, "leaving"}, {attached, "attached"}, {joining, "joining"}, {nothing, "nothing"}} {
		parts = append(parts, p.style.paint(colors[s.state], string(p.style.glyph(s.state)))+" "+s.text)
	}
	return []string{strings.Join(parts, "   ")}
}

// scale has the first slot of each quarter, and the last one.
func scale(cells int) string {
	out := []byte(strings.Repeat(" ", cells))
	copy(out[cells-3:], "255")
	for slot := 192; slot >= 0; slot -= 64 {
		text, at := fmt.Sprint(slot), slot*cells/layout.Slots
		end := at + len(text)
		if end < cells && strings.TrimSpace(string(out[at:end+1])) == "" {
			copy(out[at:], text)
		}
	}
	return string(out)
}

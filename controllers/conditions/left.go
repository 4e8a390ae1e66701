package conditions

import (
	"fmt"
	"time"
)

// secondsLeft is about how long a node that joins has still to copy, by how much it has since the
// status before; 0: not known.
func (v *view) secondsLeft(n *Node) int64 {
	before := v.nodeBefore(n.Name.String())
	left := n.Status.CopyBytesLeft
	if before == nil || left <= 0 || before.Incarnation != n.Status.Incarnation.String() {
		return 0
	}
	took := v.Now.Sub(v.Wrote)
	if v.Wrote.IsZero() || took < time.Second || before.CopyBytesLeft == left {
		return before.CopySecondsLeft
	}
	done := before.CopyBytesLeft - left
	if done <= 0 {
		return 0 // more came than was copied
	}
	return max(int64(float64(left)/float64(done)*took.Seconds()), 1)
}

// rest is about how much a node has still to copy, and for how long, in steps: so that it is no
// news all the time.
func (v *view) rest(n *Node) string {
	left := n.Status.CopyBytesLeft
	if left <= 0 {
		return ""
	}
	text := ", about " + human(coarse(left)) + " left"
	if s := v.secondsLeft(n); s > 0 {
		text += ", about " + roughly(time.Duration(s)*time.Second)
	}
	return text
}

// coarse rounds up to two digits in base 2.
func coarse(n int64) int64 {
	unit := int64(1)
	for n/unit >= 4 {
		unit *= 2
	}
	return (n + unit - 1) / unit * unit
}

func roughly(d time.Duration) string {
	switch {
	case d <= time.Minute:
		return fmt.Sprintf("%d s", up(d, 10*time.Second)/time.Second)
	case d <= 10*time.Minute:
		return fmt.Sprintf("%d min", up(d, time.Minute)/time.Minute)
	case d <= 2*time.Hour:
		return fmt.Sprintf("%d min", up(d, 10*time.Minute)/time.Minute)
	}
	return fmt.Sprintf("%d h", up(d, time.Hour)/time.Hour)
}

func up(d, unit time.Duration) time.Duration { return (d + unit - 1) / unit * unit }

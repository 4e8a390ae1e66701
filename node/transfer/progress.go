package transfer

import (
	"errors"
	"time"

	"github.com/eiri/seppen/node/kv"
)

// Progress is what was done for all slots, since the beginning.
func (c *Copier) Progress() Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum()
}

func (c *Copier) sum() (sum Progress) {
	for i := range c.jobs {
		p := &c.jobs[i].progress
		sum.Bytes += p.Bytes
		sum.Values += p.Values
		sum.Here += p.Here
		sum.Gone += p.Gone
	}
	return sum
}

// Left is about how many bytes of values are still to be copied. Slots of which nobody
// was asked yet are supposed to be as large as the others. It is 0 only when nothing is
// to be copied any more.
func (c *Copier) Left() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left()
}

// Pace tells how many bytes of values came in a second of late, and in about how many seconds
// all will be here: 0 if it is, -1 if that is not known, as nothing comes.
func (c *Copier) Pace() (bytesPerSecond, secondsLeft int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := c.left()
	if left == 0 {
		return 0, 0
	}
	bytesPerSecond = c.rate.perSecond(time.Now())
	if bytesPerSecond == 0 {
		return 0, -1
	}
	return bytesPerSecond, (left + bytesPerSecond - 1) / bytesPerSecond
}

func (c *Copier) left() int64 {
	var left, open, sizes, known, unknown int64
	for i := range c.jobs {
		j := &c.jobs[i]
		if !j.mine {
			continue
		}
		if j.known {
			sizes += j.size
			known++
		}
		if j.state == idle {
			continue
		}
		open++
		left += j.left
		if !j.known {
			unknown++
		}
	}
	if known > 0 {
		left += sizes / known * unknown
	}
	return max(left, open)
}

// Stuck says why something could not be copied when it was last tried; it is empty while
// all goes well. It is tried again in any case.
func (c *Copier) Stuck() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var worst error
	for i := range c.jobs {
		j := &c.jobs[i]
		if !j.mine || j.err == nil || errors.Is(j.err, errAdopting) {
			continue
		}
		// That memory is lacking explains most; somebody must do something about it.
		if worst == nil || errors.Is(j.err, kv.ErrNoMemory) && !errors.Is(worst, kv.ErrNoMemory) {
			worst = j.err
		}
	}
	if worst == nil {
		return ""
	}
	return "copying: " + worst.Error()
}

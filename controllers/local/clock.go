package local

import "time"

// maxTick is the most that counts of the time between two looks. For what is more this
// process stood still, and that is not the silence of others.
const maxTick = 3 * tick

// clock is how long the author has been awake: only then it could have heard anybody.
type clock struct {
	ticked time.Time
	now    time.Duration
}

func (c *clock) tick(now time.Time) {
	if !c.ticked.IsZero() {
		c.now += min(max(now.Sub(c.ticked), 0), maxTick)
	}
	c.ticked = now
}

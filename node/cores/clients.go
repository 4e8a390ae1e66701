package cores

import "sync/atomic"

// Clients knows whether clients ask this node for anything, be it by way of other nodes. The
// zero value is ready. Nil knows nothing.
type Clients struct{ asked, answered atomic.Uint64 }

// Asked tells that a request begins. It is over with Answered.
func (c *Clients) Asked() {
	if c != nil {
		c.asked.Add(1)
	}
}

// Answered tells that a request is over.
func (c *Clients) Answered() {
	if c != nil {
		c.answered.Add(1)
	}
}

// since tells whether a request is being answered or has come since the count was so high, and
// how high it is.
func (c *Clients) since(count uint64) (busy bool, now uint64) {
	if c == nil {
		return false, 0
	}
	// In this order: one that comes in between may be counted as answered only.
	answered := c.answered.Load()
	now = c.asked.Load()
	return now != count || now != answered, now
}

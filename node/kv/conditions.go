package kv

import (
	"slices"

	"github.com/eiri/seppen/api/uid"
)

// Conditions are what a request demands of the key's entry (RFC 9110, section 13).
// The zero value demands nothing.
type Conditions struct {
	Match   Tags // If-Match, strong comparison
	NoMatch Tags // If-None-Match, weak comparison
	// UnmodifiedSince is If-Unmodified-Since in Unix seconds, used if HasUnmodified
	// and there is no If-Match.
	UnmodifiedSince int64
	HasUnmodified   bool
}

// Tags is the list of a precondition header. Tags that are no uid match nothing and
// are not kept.
type Tags struct {
	Given bool // the header was there
	Any   bool // "*"
	UIDs  []uid.UID
}

func (t *Tags) has(e *Entry) bool {
	return e != nil && (t.Any || slices.Contains(t.UIDs, e.UID))
}

// Allow tells whether a write may happen where the key has entry e; nil or a
// tombstone means that it has none. The order is that of RFC 9110, section 13.2.2.
func (c *Conditions) Allow(e *Entry) bool {
	if e != nil && e.Deleted {
		e = nil
	}
	switch {
	case c.Match.Given:
		if !c.Match.has(e) {
			return false
		}
	case c.HasUnmodified:
		if e == nil || e.Modified/1e9 > c.UnmodifiedSince {
			return false
		}
	}
	return !c.NoMatch.Given || !c.NoMatch.has(e)
}

package rest

import (
	"net/http"
	"slices"

	"github.com/eiri/seppen/node/kv"
)

// readConditions are the conditions of a GET or HEAD (RFC 9110, section 13.1).
type readConditions struct {
	kv.Conditions
	modifiedSince int64 // If-Modified-Since, Unix seconds, used if hasModified
	hasModified   bool
}

// writeConditionsOf reads the conditions of a PUT or DELETE.
func writeConditionsOf(head http.Header) (c kv.Conditions, err error) {
	if c.Match, err = kv.ParseTags(head["If-Match"], false); err != nil {
		return c, err
	}
	if c.NoMatch, err = kv.ParseTags(head["If-None-Match"], true); err != nil {
		return c, err
	}
	c.UnmodifiedSince, c.HasUnmodified = dateOf(head["If-Unmodified-Since"])
	return c, nil
}

func readConditionsOf(head http.Header) (c readConditions, err error) {
	if c.Conditions, err = writeConditionsOf(head); err == nil {
		c.modifiedSince, c.hasModified = dateOf(head["If-Modified-Since"])
	}
	return c, err
}

// dateOf reads an HTTP date. One that is malformed or given twice must be ignored
// (RFC 9110, sections 13.1.3 and 13.1.4).
func dateOf(lines []string) (seconds int64, ok bool) {
	if len(lines) != 1 {
		return 0, false
	}
	t, err := http.ParseTime(lines[0])
	if err != nil {
		return 0, false
	}
	return t.Unix(), true
}

func (c *readConditions) given() bool {
	return c.Match.Given || c.NoMatch.Given || c.HasUnmodified || c.hasModified
}

// check returns 0 if the entry meets the conditions, else the status that says so:
// 304 or 412. The order is that of RFC 9110, section 13.2.2.
func (c *readConditions) check(e *kv.Entry) int {
	first := kv.Conditions{Match: c.Match, UnmodifiedSince: c.UnmodifiedSince, HasUnmodified: c.HasUnmodified}
	switch {
	case !first.Allow(e):
		return http.StatusPreconditionFailed
	case c.NoMatch.Given:
		if c.NoMatch.Any || slices.Contains(c.NoMatch.UIDs, e.UID) {
			return http.StatusNotModified
		}
	case c.hasModified && e.Modified/1e9 <= c.modifiedSince:
		return http.StatusNotModified
	}
	return 0
}

// unmet answers that the entry does not meet the conditions.
func (a *answer) unmet(status int, e *kv.Entry) {
	if status == http.StatusPreconditionFailed {
		a.empty(status)
		return
	}
	head := a.Header()
	setValidators(head, e, -1)
	head["Cache-Control"] = headerNoCache
	a.WriteHeader(status)
}

package kv

import (
	"errors"
	"strings"

	"github.com/eiri/seppen/api/uid"
)

// ErrTags is returned by ParseTags for text that is not a list of entity tags.
var ErrTags = errors.New(`want "*" or a list of entity tags in double quotes`)

// ParseTags reads the lines of an If-Match or If-None-Match header (RFC 9110,
// section 13.1): "*", or entity tags with commas between them. Weak tags (W/"...")
// count only if weak, as only If-None-Match compares weakly.
//
// A list that is malformed is an error and not an empty list: taken as empty, a
// mistyped If-None-Match would turn a conditional write into an unconditional one.
func ParseTags(lines []string, weak bool) (Tags, error) {
	if len(lines) == 0 {
		return Tags{}, nil
	}
	t := Tags{Given: true}
	tags := 0
	for _, line := range lines {
		for rest := skipListSpace(line); rest != ""; {
			if rest[0] == '*' {
				t.Any, rest = true, rest[1:]
			} else {
				opaque, isWeak, after, ok := cutTag(rest)
				if !ok {
					return Tags{}, ErrTags
				}
				if u, err := uid.Parse(opaque); err == nil && (weak || !isWeak) {
					t.UIDs = append(t.UIDs, u)
				}
				rest = after
			}
			tags++
			if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ',' {
				return Tags{}, ErrTags
			}
			rest = skipListSpace(rest)
		}
	}
	if t.Any && tags > 1 {
		return Tags{}, ErrTags
	}
	return t, nil
}

// skipListSpace skips commas too: a list may have empty elements (RFC 9110,
// section 5.6.1.2).
func skipListSpace(s string) string { return strings.TrimLeft(s, " \t,") }

// cutTag cuts the entity tag at the start of s (RFC 9110, section 8.8.3).
func cutTag(s string) (opaque string, weak bool, rest string, ok bool) {
	s, weak = strings.CutPrefix(s, "W/")
	if s == "" || s[0] != '"' {
		return "", false, "", false
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[1:i], weak, s[i+1:], true
		case c <= ' ' || c == 0x7f:
			return "", false, "", false
		}
	}
	return "", false, "", false
}

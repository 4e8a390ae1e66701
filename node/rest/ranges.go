package rest

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/eiri/seppen/node/kv"
)

// span is bytes [from, to) of a value.
type span struct{ from, to int64 }

func (s span) size() int64 { return s.to - s.from }

// contentRange is the span as in Content-Range (RFC 9110, section 14.4).
func (s span) contentRange(size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, s.from, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, s.to-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}

// spanOf returns the part of the value that the request's Range asks for, and the
// status that goes with it: 200 for the whole, 206, or 416.
func spanOf(head http.Header, e *kv.Entry, size int64) (span, int) {
	whole := span{0, size}
	lines := head["Range"]
	// As the whole is always a right answer, it is ours to several ranges. An empty
	// value has no byte to ask for, but some clients send a Range with everything.
	if len(lines) != 1 || size == 0 || !meetsIfRange(head["If-Range"], e) {
		return whole, http.StatusOK
	}
	unit, set, _ := strings.Cut(lines[0], "=")
	set = strings.Trim(set, " \t")
	if !strings.EqualFold(unit, "bytes") || set == "" || strings.Contains(set, ",") {
		return whole, http.StatusOK
	}
	if s, ok := parseSpan(set, size); ok {
		return s, http.StatusPartialContent
	}
	return whole, http.StatusRequestedRangeNotSatisfiable
}

// parseSpan reads "first-last", "first-" or "-suffix" (RFC 9110, section 14.1.2).
func parseSpan(s string, size int64) (span, bool) {
	first, last, dash := strings.Cut(s, "-")
	if !dash {
		return span{}, false
	}
	if first == "" {
		n, ok := parseDigits(last)
		return span{max(0, size-n), size}, ok && n > 0
	}
	from, ok := parseDigits(first)
	if !ok || from >= size {
		return span{}, false
	}
	if last == "" {
		return span{from, size}, true
	}
	to, ok := parseDigits(last)
	return span{from, min(to, size-1) + 1}, ok && to >= from
}

// parseDigits reads a number without a sign. One too large for an int64 is the
// largest: it is past the end of every value.
func parseDigits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(s, 10, 64) // on overflow it returns the largest
	return n, true
}

// meetsIfRange tells whether a Range is to be heeded (RFC 9110, section 13.1.5).
func meetsIfRange(lines []string, e *kv.Entry) bool {
	switch {
	case len(lines) == 0:
		return true
	case len(lines) > 1:
		return false
	}
	if tag := strings.Trim(lines[0], " \t"); strings.HasPrefix(tag, `"`) {
		return tag == e.UID.ETag()
	}
	t, ok := dateOf(lines)
	return ok && t == e.Modified/1e9
}

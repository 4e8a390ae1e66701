package rest

import (
	"testing"
)

// TestRanges has what net/http would do otherwise, and with less right.
func TestRanges(t *testing.T) {
	m := newModel()
	m.put("k", "", "0123456789")
	h := New(m, quiet())
	for _, tt := range []struct {
		value  string
		status int
		body   string
	}{
		{"bytes=0-1,3-4", 200, "0123456789"},
		{"bytes=90-,95-", 200, "0123456789"},
		{"lines=0-1", 200, "0123456789"},
		{"Bytes=0-1", 206, "01"},
		{"bytes=-0", 416, "no such bytes in the value\n"},
		{"bytes=+1-2", 416, "no such bytes in the value\n"},
		{"bytes=1-99999999999999999999", 206, "123456789"},
		{"bytes=-99999999999999999999", 206, "0123456789"},
		{"bytes=99999999999999999999-", 416, "no such bytes in the value\n"},
	} {
		r := request(h, "GET", "/k", "", "Range", tt.value)
		if got := read(t, r); r.StatusCode != tt.status || got != tt.body {
			t.Errorf("%s: %d %q", tt.value, r.StatusCode, got)
		}
	}
	if r := request(h, "GET", "/k", "", "Range", "bytes=0-1", "Range", "bytes=2-3"); r.StatusCode != 200 {
		t.Errorf("two lines: status %d", r.StatusCode)
	}
}

package kv

import (
	"testing"

	"github.com/eiri/seppen/api/uid"
)

func TestConditionsAllow(t *testing.T) {
	entry := &Entry{UID: tagA, Modified: 100_999_999_999} // second 100
	match := func(u ...uid.UID) Conditions { return Conditions{Match: Tags{Given: true, UIDs: u}} }
	noMatch := func(u ...uid.UID) Conditions { return Conditions{NoMatch: Tags{Given: true, UIDs: u}} }
	since := func(s int64) Conditions { return Conditions{UnmodifiedSince: s, HasUnmodified: true} }
	both := match(tagA)
	both.UnmodifiedSince, both.HasUnmodified = 1, true
	twice := match(tagA)
	twice.NoMatch = Tags{Given: true, UIDs: []uid.UID{tagA}}

	tests := []struct {
		name                 string
		cond                 Conditions
		there, gone, missing bool
	}{
		{"none", Conditions{}, true, true, true},
		{"match any", Conditions{Match: Tags{Given: true, Any: true}}, true, false, false},
		{"match it", match(tagB, tagA), true, false, false},
		{"match another", match(tagB), false, false, false},
		{"match nothing", match(), false, false, false},
		{"no match any", Conditions{NoMatch: Tags{Given: true, Any: true}}, false, true, true},
		{"no match it", noMatch(tagA), false, true, true},
		{"no match another", noMatch(tagB), true, true, true},
		{"no match nothing", noMatch(), true, true, true},
		{"unmodified since then", since(100), true, false, false},
		{"unmodified since before", since(99), false, false, false},
		{"match silences unmodified", both, true, false, false},
		{"match and no match", twice, false, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			gone := *entry
			gone.Deleted = true
			for _, c := range []struct {
				what  string
				entry *Entry
				want  bool
			}{{"entry", entry, tt.there}, {"tombstone", &gone, tt.gone}, {"none", nil, tt.missing}} {
				if got := tt.cond.Allow(c.entry); got != c.want {
					t.Errorf("%s: %v, want %v", c.what, got, c.want)
				}
			}
		})
	}
}

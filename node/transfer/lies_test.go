package transfer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// TestOutOfOrder: pages that are no pages are not taken, as what they lack is removed.
func TestOutOfOrder(t *testing.T) {
	u := func(slot, id byte) wire.ValueInfo { return wire.ValueInfo{UID: uid.UID{slot, id}} }
	for name, test := range map[string]lies{
		"unsorted entries": {entries: wire.EntryPage{Entries: []kv.Entry{{Key: "b"}, {Key: "a"}}}},
		"an entry twice":   {entries: wire.EntryPage{Entries: []kv.Entry{{Key: "a"}, {Key: "a"}}}},
		"endless entries":  {entries: wire.EntryPage{More: true}},
		"unsorted values":  {values: wire.UIDPage{Values: []wire.ValueInfo{u(7, 2), u(7, 1)}}},
		"a value twice":    {values: wire.UIDPage{Values: []wire.ValueInfo{u(7, 2), u(7, 2)}}},
		"another slot's":   {values: wire.UIDPage{Values: []wire.ValueInfo{u(8, 2)}}},
		"endless values":   {values: wire.UIDPage{More: true}},
		"wrong size":       {values: wire.UIDPage{Values: []wire.ValueInfo{u(7, 2)}}, size: 2, fetches: true},
		"too few answers":  {values: wire.UIDPage{Values: []wire.ValueInfo{u(7, 2)}}, size: -2, fetches: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.story = newStory(table(5, 5, layout.Attached, a))
			parts := test.parts()
			parts.Source = &test
			slot := NewSlot(parts, 7)
			var fails error
			for range 20 {
				done, err := slot.Step(t.Context())
				if done {
					t.Fatalf("it is done: %v", err)
				}
				fails = errors.Join(fails, err)
			}
			if fails == nil {
				t.Error("nobody noticed")
			}
			if len(test.entries.Entries) > 0 && slices.ContainsFunc(test.log, func(l string) bool { return strings.HasPrefix(l, "take") }) {
				t.Errorf("the page was taken: %v", test.log)
			}
			if len(test.here) > 0 || (test.fetched > 0) != test.fetches {
				t.Errorf("values were taken: %v, after %d questions", test.here, test.fetched)
			}
		})
	}
}

// lies is a source that sends pages as a test has them.
type lies struct {
	*story
	entries wire.EntryPage
	values  wire.UIDPage
	size    int64 // of all values; -2: none is answered
	fetches bool  // the list of values is right
	fetched int
}

func (l *lies) Entries(context.Context, *layout.Member, *wire.SomeEntries) (wire.EntryPage, int64, error) {
	return l.entries, 0, nil
}

func (l *lies) UIDs(context.Context, *layout.Member, *wire.SomeUIDs) (wire.UIDPage, int64, error) {
	return l.values, 0, nil
}

func (l *lies) Fetch(_ context.Context, _ *layout.Member, q *wire.Copy, _ int64, each func(u uid.UID, size int64, b []byte) error) (int64, error) {
	if l.fetched++; l.size < -1 {
		return 0, nil
	}
	return 0, each(q.UIDs[0], l.size, []byte(bytesOf(q.UIDs[0][1])))
}

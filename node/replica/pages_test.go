package replica

import (
	"fmt"
	"strings"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

// A page is what is committed, and no more than fits; it says how new it is before it is
// read.
func TestPage(t *testing.T) {
	w, p, _ := joins(t)
	long := strings.Repeat("x", 3000)
	for i := range 200 {
		is(t, p.ended(p.order(put(fmt.Sprintf("k%04d%s", i, long), 1))), nil)
	}
	is(t, p.ended(p.order(put("gone", 1))), nil)
	is(t, p.ended(p.order(del("gone"))), nil)
	w.attach(3)
	late := entry("k0000a", 1, 999, 0) // a tombstone that it has from when it was no primary
	p.store.Apply(slotK, &late)
	p.order(put("under way", 2))
	keys, pages, after := 0, 0, ""
	for {
		page := p.page(after)
		if size := len(page.Append(nil)); size > pageBytes+64<<10 {
			t.Fatalf("a page of %d bytes", size)
		}
		if page.Watermark != (kv.Version{View: 3, N: 0}) {
			t.Errorf("watermark %v while an operation is under way", page.Watermark)
		}
		for _, e := range page.Entries {
			if e.Key <= after || e.Key == "gone" || e.Deleted || e.Key == "under way" {
				t.Errorf("%.20q after %.20q", e.Key, after)
			}
			after = e.Key
			keys++
		}
		if pages++; !page.More {
			break
		}
	}
	if keys != 200 || pages != 3 {
		t.Errorf("%d keys on %d pages", keys, pages)
	}
	for most, want := range map[int64]int{0: 1, 6000: 1, 7000: 2} {
		if page, err := p.Page(slotK, "", most, 3, w.clock); err != nil || len(page.Entries) != want || !page.More {
			t.Errorf("at most %d bytes: %d entries, more: %v, %v", most, len(page.Entries), page.More, err)
		}
	}
	w.run()
	if page := p.page("u"); page.Watermark.N != 1 || len(page.Entries) != 1 || page.Entries[0].Key != "under way" {
		t.Errorf("%+v", page)
	}
	_, err := p.Page(slotK, "", pageBytes, 2, w.clock)
	because(t, err, kv.Moved)
}

// The whole story: D copies while clients write, and has what P has in the end.
func TestCopyWhileWriting(t *testing.T) {
	w, p, d := joins(t)
	for i := range 30 {
		p.order(put(fmt.Sprintf("k%02d", i), byte(i+1)))
	}
	is(t, d.TakePage(slotK, 0, "", p.page("")), nil)
	write := func(i int) {
		p.order(put(fmt.Sprintf("k%02d", i%40), byte(100+i)))
		p.order(del(fmt.Sprintf("k%02d", (i+7)%40)))
		w.run()
	}
	for i := range 30 {
		write(i)
	}
	w.attach(3)
	view, after := d.open(), ""
	for i := range 40 {
		page := p.page(after)
		if len(page.Entries) > 3 {
			page.Entries, page.More = page.Entries[:3], true
		}
		write(i)
		is(t, d.TakePage(slotK, view, after, page), nil)
		if !page.More {
			break
		}
		after = page.Entries[len(page.Entries)-1].Key
		write(40 - i)
	}
	is(t, d.EntriesCopied(slotK, view), nil)
	w.beats()
	if p.memory() != d.memory() || len(p.memory()) < 50 {
		t.Errorf("P has %s\nD has %s", p.memory(), d.memory())
	}
}

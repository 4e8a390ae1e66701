package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// loss is what is lost when all owners of some slots die at once.
type loss struct {
	*history // of keys that are written all the time
	slots    [layout.Slots]bool
	kept     map[string]int // keys that were written before and never since, with their values
	said     int            // how often a read was refused because its value is lost
}

func (l *loss) key(key string) bool { return l.slots[secret.KeySlot(key)] }

func (l *loss) value(number int) bool { return number != 0 && l.slots[l.values.uid(number).Slot()] }

// Of three nodes that have two copies of everything, two die at once. What only those had
// is lost, and that is said. All else is there all the time, and the cluster goes on.
func TestLoss(t *testing.T) {
	t.Parallel()
	rnd := ready(t)
	c := start(t, 3, 2, false)
	l := &loss{history: newHistory(t, c, "busy/"), kept: make(map[string]int)}
	one := rnd.IntN(3)
	other := (one + 1) % 3
	for slot := range l.slots {
		l.slots[slot] = c.owns(one, uint8(slot)) && c.owns(other, uint8(slot))
	}
	for _, key := range c.keys("kept/", 40) {
		value, body := l.values.add(rnd)
		in := input{key: key, method: "PUT", value: value}
		if a, _ := l.ask(prober, 0, in, body); a.status != http.StatusCreated {
			t.Fatalf("%v: %+v", in, a)
		}
		l.kept[key] = value
	}
	var since int64
	l.during(rnd, func() {
		time.Sleep(300 * time.Millisecond)
		since = l.now()
		c.kill(one)
		c.kill(other)
		l.watch()
		c.calm()
		time.Sleep(300 * time.Millisecond)
	})
	l.enter(since)
	l.end()
	l.found()
	c.settled(nil)
}

// enter makes the loss known to the history: what was there at that moment or later was
// taken if it was in those slots, and nothing else.
func (l *loss) enter(since int64) {
	for _, key := range l.keys {
		lost := l.value
		if l.key(key) {
			lost = func(int) bool { return true }
		}
		l.note(input{key: key, lost: lost}, since)
	}
}

// watch reads what was kept until all of it has gone that is lost.
func (l *loss) watch() {
	l.t.Helper()
	l.c.eventually("keys are gone that were lost, or whose values were", func() bool {
		gone := true
		for key, value := range l.kept {
			if a := l.look(0, key, value); l.key(key) || l.value(value) {
				gone = gone && a.status == http.StatusNotFound
			}
		}
		return gone
	})
	l.t.Logf("%d times it was said that a value is lost", l.said)
}

// look reads a key that was kept. It must not be gone unless it was lost.
func (l *loss) look(node int, key string, value int) answer {
	a, text := l.ask(prober, node, input{key: key, method: "GET"}, nil)
	if strings.HasSuffix(text, "value lost") {
		l.said++
		if !l.value(value) {
			l.t.Errorf("%s: said to be lost: its value is of slot %d", key, l.values.uid(value).Slot())
		}
	}
	switch {
	case a.definite && a.status == http.StatusOK && a.value != value:
		l.t.Errorf("%s: another value, %d, not %d", key, a.value, value)
	case a.definite && a.status == http.StatusNotFound && !l.key(key) && !l.value(value):
		l.t.Errorf("%s: gone, though its slot is %d and its value's %d", key, secret.KeySlot(key), l.values.uid(value).Slot())
	}
	return a
}

// found sees that what was kept and not lost is there everywhere, and that the loss was
// said and counted.
func (l *loss) found() {
	l.t.Helper()
	var want []string
	orphans := 0
	for key, value := range l.kept {
		switch {
		case l.key(key):
		case l.value(value):
			orphans++
		default:
			want = append(want, key)
			for node := range l.c.names {
				if a := l.look(node, key, value); a.status != http.StatusOK {
					l.t.Errorf("%s at node %d: %+v", key, node, a)
				}
			}
		}
	}
	slices.Sort(want)
	got, err := l.c.list(1, "kept/")
	if err != nil || !slices.Equal(got, want) {
		l.t.Errorf("listed are %q, %v, not %q", got, err, want)
	}
	if orphans == 0 || len(want) == 0 || len(want)+orphans == len(l.kept) {
		l.t.Errorf("%d keys were kept, %d of them without their values: nothing was tested", len(want), orphans)
	}
	if purged := l.c.metric("seppen_purged_total"); int(purged) < orphans {
		l.t.Errorf("%v keys were counted as removed, not %d or more", purged, orphans)
	}
	l.wasSaid()
}

func (l *loss) wasSaid() {
	l.t.Helper()
	var parts []string
	for lo := 0; lo < layout.Slots; lo++ {
		if !l.slots[lo] || l.slots[uint8(lo-1)] {
			continue
		}
		hi := uint8(lo)
		for l.slots[hi+1] {
			hi++
		}
		parts = append(parts, layout.Range{Lo: uint8(lo), Hi: hi}.String())
	}
	want := fmt.Sprintf("ALL COPIES ARE LOST of slots %s: their keys and values are gone.", strings.Join(parts, ", "))
	if said := l.c.said.find("ALL COPIES ARE LOST"); len(said) != 1 || said[0].text != want {
		l.t.Errorf("said was %v, not %q", said, want)
	}
}

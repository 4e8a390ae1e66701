package transfer

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/wire"
)

// TestRate: the rate is that of the last ten seconds, or of the shorter time since something
// came, and nothing after ten seconds without.
func TestRate(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	var r rate
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for _, step := range []struct {
		at       float64
		add      int64
		from, to int64
	}{
		{0, 0, 0, 0},
		{0.5, 1000, 1000, 1000}, // not a second yet
		{2.5, 1000, 1000, 1000}, // 2000 in two
		{6.5, 4000, 1000, 1000},
		{10.5, 4000, 900, 1000},
		{16.5, 0, 400, 450}, // 4000 of the last nine and a half
		{20.5, 0, 0, 0},
		{100, 500, 500, 500},
		{104, 1500, 500, 500},
		{1000, 0, 0, 0},
	} {
		r.add(step.add, at(step.at))
		if got := r.perSecond(at(step.at)); got < step.from || got > step.to {
			t.Errorf("at %v: %d, want %d to %d", step.at, got, step.from, step.to)
		}
	}
	for s := 2000.0; s < 2100; s += 0.01 {
		r.add(1234, at(s))
		if got := r.perSecond(at(s)); s > 2002 && (got < 123_400-5_000 || got > 123_400+5_000) {
			t.Fatalf("of a steady rate of 123400: %d at %v", got, s)
		}
	}
}

// TestPaceOfCopying: there is a rate and a time while bytes come, -1 when none come, and nothing when
// nothing is left.
func TestPaceOfCopying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cp := New(Options{Parts: Parts{Self: c}, Log: slog.New(slog.DiscardHandler)})
		says := func(when string, rate, left int64) {
			t.Helper()
			if r, l := cp.Pace(); r != rate || l != left {
				t.Errorf("%s: %d bytes per second, %d seconds left; want %d and %d", when, r, l, rate, left)
			}
		}
		says("without a layout", 0, 0)
		cp.Adopt(table(2, 2, layout.Attached, a, b))
		says("nothing came yet", 0, -1)
		for i := range cp.jobs {
			cp.jobs[i].left, cp.jobs[i].size, cp.jobs[i].known = 1000, 1000, true
		}
		time.Sleep(time.Minute)
		for range 4 {
			cp.rate.add(3000, time.Now())
			time.Sleep(time.Second)
		}
		says("3000 a second", 3000, 86) // 256 slots of 1000
		time.Sleep(4 * time.Second)
		says("and a pause", 1500, 171)
		time.Sleep(rateSeconds * time.Second)
		says("a long one", 0, -1)
		cp.rate.add(3000, time.Now())
		for i := range cp.jobs {
			cp.jobs[i].state = idle
		}
		says("all is here", 0, 0)
	})
}

// TestMeter: it pays to compress where those who copy wait for the network, and it is slow.
func TestMeter(t *testing.T) {
	const window = meterWindow
	start := time.Unix(1, 0)
	for name, test := range map[string]struct {
		steps []step
		want  []bool
	}{
		"at first it is not known": {[]step{{window / 2, 90, 1e6}, {window / 4, 90, 1e6}}, []bool{false, false}},
		"the network limits":       {[]step{{0, 90, 1e6}, {window, 90, 1e6}, {window, 50, 1e6}, {window, 20, 1e6}}, []bool{false, true, true, false}},
		"it is fast":               {[]step{{0, 90, 1e6}, {window, 90, 101e6}, {window, 90, 99e6}, {window, 90, 101e6}}, []bool{false, false, true, false}},
		"hardly":                   {[]step{{0, 50, 1e6}, {window, 50, 1e6}, {window, 70, 1e6}}, []bool{false, false, true}},
		"after a pause it is only looked at": {
			[]step{{0, 90, 1e6}, {window, 90, 1e6}, {10 * window, 0, 1e9}, {window, 90, 1e6}}, []bool{false, true, true, true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var m meter
			now := start
			for i, s := range test.steps {
				now = now.Add(s.after)
				m.note(now, time.Duration(s.waited)*time.Millisecond, time.Duration(100-s.waited)*time.Millisecond, s.bytes)
				if got := m.forms(nil) == wire.FormS2; got != test.want[i] {
					t.Errorf("after step %d: compressed %v", i, got)
				}
			}
		})
	}
	limited := newPace()
	limited.SetLimit(1)
	if f := (*meter)(nil).forms(limited); f != wire.FormS2 {
		t.Errorf("with a limit: form %d", f)
	}
	limited.SetLimit(0)
	if f := (*meter)(nil).forms(limited); f != wire.FormPlain {
		t.Errorf("without one: form %d", f)
	}
}

// step is an answer that came some time after the one before: how many percent of its time were
// waiting, and how many bytes it had.
type step struct {
	after  time.Duration
	waited int
	bytes  int64
}

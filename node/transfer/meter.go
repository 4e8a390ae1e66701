package transfer

import (
	"sync"
	"time"

	"github.com/eiri/seppen/node/wire"
)

const (
	// meterWindow is for how long it is watched where the time goes before it is judged.
	meterWindow = 500 * time.Millisecond
	// fastWire is a rate in bytes per second at which compressing is slower than sending.
	fastWire = 200e6
	// Of the time of those who copy so much goes to waiting for answers where the network is what
	// limits, and so little where it does not any more: in between all stays as it is.
	mostlyWaiting, hardlyWaiting = 0.6, 0.3
)

// meter tells whether the network is what copying waits for: then it pays to compress. A nil
// meter knows nothing.
type meter struct {
	mu      sync.Mutex
	since   time.Time
	waited  time.Duration // for answers, all who copy together
	worked  time.Duration // on what came, or waiting for hands
	bytes   int64         // that came
	network bool
}

// now is the time, if anybody wants to know it.
func (m *meter) now() time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.Now()
}

// asked notes how an answer came: how many bytes, how long it took from the question to the end of
// what was done with it, and how much of that was not waiting for it.
func (m *meter) asked(began time.Time, worked time.Duration, bytes int64) {
	if m == nil {
		return
	}
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(now, now.Sub(began)-worked, worked, bytes)
}

func (m *meter) note(now time.Time, waited, worked time.Duration, bytes int64) {
	if m.since.IsZero() || now.Sub(m.since) > 2*meterWindow {
		m.since, m.waited, m.worked, m.bytes = now, 0, 0, 0 // what came before a pause says nothing
		return
	}
	m.waited, m.worked, m.bytes = m.waited+waited, m.worked+worked, m.bytes+bytes
	took := now.Sub(m.since)
	if took < meterWindow {
		return
	}
	share, rate := float64(m.waited)/float64(max(m.waited+m.worked, 1)), float64(m.bytes)/took.Seconds()
	switch {
	case rate >= fastWire || share < hardlyWaiting:
		m.network = false
	case share > mostlyWaiting:
		m.network = true
	}
	m.since, m.waited, m.worked, m.bytes = now, 0, 0, 0
}

// forms are those that values are asked for in.
func (m *meter) forms(p *pace) wire.Form {
	if p.Limit() > 0 {
		return wire.FormS2
	}
	if m == nil {
		return wire.FormPlain
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.network {
		return wire.FormS2
	}
	return wire.FormPlain
}

package roster

import (
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/controllers/placement"
)

const (
	// tickEvery is how often it is looked who has answered.
	tickEvery = 100 * time.Millisecond
	// maxTick is the most that one tick counts. This process stood still for what is more,
	// and that is not the others' silence.
	maxTick = 3 * tickEvery
	// keepStrangers is for how long one who is no member is remembered.
	keepStrangers = time.Minute
)

// silence keeps for how long incarnations have not answered. Its times are those in which
// this process was awake, as only then it could have heard them.
type silence struct {
	ticked  time.Time
	awake   time.Duration
	heard   map[layout.ID]time.Duration // when they last answered, or when they were first asked
	since   map[layout.ID]time.Duration // when they began to answer; missing: they do not
	last    map[layout.ID]time.Time     // when they last answered, by the clock
	members map[layout.ID]bool
	suspect map[layout.ID]bool // those who were silent for placement.SuspectAfter
}

func newSilence() *silence {
	return &silence{
		heard: make(map[layout.ID]time.Duration), since: make(map[layout.ID]time.Duration),
		last: make(map[layout.ID]time.Time), suspect: make(map[layout.ID]bool),
	}
}

// tick lets time pass.
func (s *silence) tick(now time.Time) {
	if !s.ticked.IsZero() {
		s.awake += min(max(now.Sub(s.ticked), 0), maxTick)
	}
	s.ticked = now
}

// track sets who the members are. One of whom nothing was ever heard is silent from now on.
func (s *silence) track(l *layout.Layout) {
	s.members = make(map[layout.ID]bool, len(l.Members))
	for i := range l.Members {
		id := l.Members[i].Incarnation
		s.members[id] = true
		if _, known := s.heard[id]; !known {
			s.heard[id] = s.awake
		}
	}
}

// answered: somebody did, so long ago.
func (s *silence) answered(id layout.ID, age time.Duration) {
	at := max(s.awake-age, 0)
	if last, known := s.heard[id]; !known || at > last {
		s.heard[id] = at
	}
	if _, answers := s.since[id]; !answers {
		s.since[id] = at
	}
	if last := s.ticked.Add(-age); last.After(s.last[id]) {
		s.last[id] = last
	}
}

// answering is for how long somebody has answered without a gap.
func (s *silence) answering(id layout.ID) time.Duration {
	if since, answers := s.since[id]; answers {
		return s.awake - since
	}
	return 0
}

// of is for how long somebody has been silent; 0 for one of whom nothing is known.
func (s *silence) of(id layout.ID) time.Duration {
	if last, known := s.heard[id]; known {
		return s.awake - last
	}
	return 0
}

// judge tells whether somebody fell silent, or answers again, since it was last called.
func (s *silence) judge() (turned bool) {
	for id := range s.heard {
		silent := s.of(id)
		if silent >= keepStrangers && !s.members[id] {
			delete(s.heard, id)
			delete(s.suspect, id)
			delete(s.last, id)
			continue
		}
		if now := silent >= placement.SuspectAfter; now != s.suspect[id] {
			turned = true
			s.suspect[id] = now
			if now {
				delete(s.since, id)
			}
		}
	}
	return turned
}

// silent are the members that have missed more than a word, and for how long.
func (s *silence) silent() map[layout.ID]time.Duration {
	out := make(map[layout.ID]time.Duration)
	for id := range s.members {
		if silent := s.of(id); silent >= placement.SuspectAfter/2 {
			out[id] = silent
		}
	}
	return out
}

package simulation

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

var cluster = layout.ID{0xc1}

// key is a key and its slot.
type key struct {
	name string
	slot uint8
}

// Simulation is one seed.
type Simulation struct {
	seed    uint64
	kind    Kind
	about   string // a flavour's name; empty: chance decides
	rng     *rand.Rand
	profile profile
	now     time.Duration
	steps   int
	queue   queue
	tasks   []*task
	running *task
	doomed  []*process

	wishes  wishes
	hosts   []*host // that there are, in the order in which they were made
	made    []*host // all, by number
	network network
	durable durable
	authors []*author
	faults  faults
	history history
	truth   truth

	keys   []key
	values []uid.UID
	slots  []uint8 // in which keys or values are
	used   [layout.Slots]bool
	gone   [4]time.Duration // since when nobody was active in slots; 0: somebody is
	idle   bool             // clients ask for nothing more

	counts map[string]int
	times  map[string]time.Duration
	tracer func(line string)
}

// Violation is what a seed has found.
type Violation struct {
	Seed  uint64
	Step  int
	Time  time.Duration
	What  string
	Stack string // of a panic in the product
}

func (v *Violation) Error() string {
	return fmt.Sprintf("seed %d, step %d, after %v: %s%s", v.Seed, v.Step, v.Time, v.What, v.Stack)
}

// Result is how a seed went.
type Result struct {
	Steps  int
	Time   time.Duration
	Counts map[string]int
	Times  map[string]time.Duration
	Failed *Violation // nil: nothing was found
}

// maxSteps is more than any seed takes that comes to an end.
const maxSteps = 2_000_000

// Run runs one seed of a kind, of a flavour if one is named. Each line of what happens is
// given to trace, unless it is nil.
func Run(seed uint64, kind Kind, about string, trace func(line string)) (r Result) {
	s := &Simulation{
		seed: seed, kind: kind, about: about, rng: rand.New(rand.NewPCG(seed, 1)), tracer: trace,
		counts: make(map[string]int), times: make(map[string]time.Duration),
	}
	defer func() {
		if e := recover(); e != nil {
			v, ok := e.(*Violation)
			if !ok {
				v = &Violation{Seed: seed, Step: s.steps, Time: s.now, What: fmt.Sprint(e), Stack: "\n" + string(debug.Stack())}
			}
			r.Failed = v
		}
		r.Steps, r.Time, r.Counts, r.Times = s.steps, s.now, s.counts, s.times
		s.close()
	}()
	s.begin()
	s.runUntil(s.now + s.profile.length)
	s.end()
	return r
}

func (s *Simulation) begin() {
	s.durable.sim, s.faults.sim, s.truth.sim, s.wishes.sim = s, s, s, s
	s.truth.joined = make(map[layout.ID]time.Duration)
	s.truth.planned = planned{names: make(map[layout.Name]bool), left: make(map[layout.ID]bool), served: make(map[view]bool)}
	s.choose()
	s.chooseChanges()
	s.network.cut, s.network.shut = make(map[way]time.Duration), make(map[way]shut)
	s.wishes.begin()
	s.choosePlaces()
	for _, name := range s.wishes.now.names() {
		s.addHost(name)
	}
	for _, h := range s.hosts {
		s.start(h)
	}
	s.startAuthor()
	s.until(30*time.Second, func() string {
		if s.durable.newest() == nil {
			return "the cluster was not founded"
		}
		return ""
	})
	s.startClients(s.profile.clients)
	s.faults.start()
	s.wishes.start()
}

// choosePlaces puts a few keys and values into a few slots.
func (s *Simulation) choosePlaces() {
	all := []uint8{7, 91, 133, 200}
	n := 2 + s.rng.IntN(3)
	s.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	s.slots = all[:n]
	for _, slot := range s.slots {
		s.used[slot] = true
	}
	s.truth.keys, s.truth.placed, s.truth.lost = make(map[string]*known), make(map[placedEntry]uint64), make(map[uint8]uint64)
	for i := range s.profile.keys {
		k := key{name: fmt.Sprintf("k%d", i), slot: pick(s.rng, s.slots)}
		s.keys = append(s.keys, k)
		s.truth.keys[k.name] = &known{key: k}
	}
	for i := range s.profile.values {
		s.values = append(s.values, newValue(pick(s.rng, s.slots), i+1))
	}
}

// at plans something for a time; of a process, if it is one's.
func (s *Simulation) at(when time.Duration, of *process, do func()) {
	if of != nil && of.slow > 0 {
		when += time.Duration(s.rng.Float64() * float64(of.slow))
	}
	s.queue.push(event{at: when, of: of, do: do})
}

// runUntil lets happen what is due.
func (s *Simulation) runUntil(end time.Duration) {
	for len(s.queue.events) > 0 && s.queue.events[0].at <= end {
		e, _ := s.queue.pop()
		s.now = max(s.now, e.at)
		s.step(&e)
	}
	s.now = max(s.now, end)
}

func (s *Simulation) step(e *event) {
	p := e.of
	if p != nil {
		if p.dead {
			return
		}
		if p.paused {
			p.backlog = append(p.backlog, *e)
			return
		}
	}
	if s.steps++; s.steps > maxSteps {
		s.violated("it does not come to an end")
	}
	e.do()
	if p != nil && !p.dead {
		p.settled()
	}
	for len(s.doomed) > 0 {
		dead := s.doomed[0]
		s.doomed = s.doomed[1:]
		dead.bury()
	}
	s.check(p)
}

// close ends all tasks and gives all memory back.
func (s *Simulation) close() {
	for _, t := range s.tasks {
		t.kill()
	}
	for _, h := range s.made {
		if h.proc != nil {
			h.proc.mem.Close()
		}
	}
}

func (s *Simulation) violated(format string, args ...any) {
	v := &Violation{Seed: s.seed, Step: s.steps, Time: s.now, What: fmt.Sprintf(format, args...)}
	s.trace(nil, "VIOLATION: %s", v.What)
	panic(v)
}

// trace notes what happens, for a person who reads it.
func (s *Simulation) trace(p *process, format string, args ...any) {
	if s.tracer == nil {
		return
	}
	who := "      "
	if p != nil {
		who = idName(p.id)
	}
	s.tracer(fmt.Sprintf("%6d %12v %-6s %s", s.steps, s.now.Round(time.Microsecond), who, fmt.Sprintf(format, args...)))
}

func (s *Simulation) count(what string) { s.counts[what]++ }

func (s *Simulation) longest(what string, d time.Duration) { s.times[what] = max(s.times[what], d) }

func (s *Simulation) process(id layout.ID) *process { return s.made[id[0]-1].all[id[1]-1] }

// endOf is the last slot of segment i.
func (s *Simulation) endOf(l *layout.Layout, i int) int {
	if i+1 < len(l.Segments) {
		return int(l.Segments[i+1].Lo) - 1
	}
	return layout.Slots - 1
}

package simulation

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/reclaim"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/store"
)

// process is one life of a node.
type process struct {
	sim    *Simulation
	host   *host
	id     layout.ID
	born   time.Duration
	offset time.Duration // its clock when it was born
	rate   float64       // how fast its clock runs

	mem      *memory
	machine  *replica.Machine
	freeing  *reclaim.Reclaimer
	asker    *asker
	table    *layout.Table
	told     map[layout.ID]*[layout.Slots]kv.Version
	contacts map[layout.ID]*contact
	writes   uint64
	requests []*request // of clients, under way here

	ending  bool          // it was told to stop
	waits   time.Duration // and until when it waits to be let go
	gaveUp  bool          // it waited for long enough
	killed  bool
	member  bool // it knew once that it was one
	retired bool // it was leaving when it was taken out: it has no duties any more
	dead    bool
	diedAt  time.Duration
	proof   time.Duration // when the author can know of its death; never: 0
	paused  bool
	backlog []event
	slow    time.Duration // how much later things happen here
	active  [4]bool
	tasks   []*task
	calls   []*underWay
	waiting []*waiting
}

// waiting is a task that waits for the end of an operation.
type waiting struct {
	op   *replica.Op
	wake func()
}

func (s *Simulation) start(h *host) {
	h.lives++
	p := &process{
		sim: s, host: h, id: idOf(h.number, h.lives), born: s.now,
		offset: time.Duration(s.rng.IntN(1000)) * time.Second, rate: s.clockRate(),
		told: make(map[layout.ID]*[layout.Slots]kv.Version), contacts: make(map[layout.ID]*contact),
	}
	p.mem = &memory{p: p, Store: store.New(store.Options{Now: func() uint32 { return uint32(p.clock() / time.Second) }})}
	p.machine = replica.New(replica.Options{
		Self: p.id, Entries: p.mem, Second: time.Second,
		Ready: func(*layout.Member, int64) error { return nil },
		Tick:  func() uint64 { return uint64(p.clock() / time.Millisecond) },
		Wall:  func() time.Time { return time.Unix(0, int64(s.now)) },
	})
	p.freeing = p.newReclaimer()
	h.proc = p
	h.all = append(h.all, p)
	s.trace(p, "starts")
	p.every(beatEvery, p.beat)
	p.every(beatEvery, p.greet)
	p.every(tickEvery, func() { p.run(p.machine.Tick(p.clock())) })
	p.startFreeing()
	p.startCopying()
	p.startLosing()
}

// clockRate is how fast a clock runs: two of them differ by 10 % at most.
func (s *Simulation) clockRate() float64 {
	switch s.rng.IntN(4) {
	case 0:
		return 0.954
	case 1:
		return 1.048
	}
	return 0.954 + 0.094*s.rng.Float64()
}

func (p *process) clock() time.Duration {
	return p.offset + time.Duration(float64(p.sim.now-p.born)*p.rate)
}

// every does something again and again.
func (p *process) every(d time.Duration, do func()) {
	p.sim.at(p.sim.now+time.Duration(float64(d)/p.rate), p, func() {
		do()
		p.every(d, do)
	})
}

func (p *process) epoch() uint64 {
	if p.table == nil {
		return 0
	}
	return p.table.Layout.Epoch
}

func (p *process) layout() *layout.Layout {
	if p.table == nil {
		return nil
	}
	return p.table.Layout
}

// adopt is what node/member does with a layout.
func (p *process) adopt(l *layout.Layout) {
	if l == nil || p.dead || p.epoch() > l.Epoch {
		return
	}
	t := p.sim.durable.table(l)
	if t == nil {
		p.sim.violated("%s is given layout %d, which is not durable (I6)", idName(p.id), l.Epoch)
	}
	if p.epoch() == l.Epoch {
		if p.table != t {
			p.sim.violated("%s is given two layouts of epoch %d (I6)", idName(p.id), l.Epoch)
		}
		return
	}
	p.sim.trace(p, "adopts layout %d", l.Epoch)
	was := p.phase()
	if me := t.Member(p.id); me != nil && (p.retired || was != 0 && p.me().JoinEpoch != me.JoinEpoch) {
		p.startAnew() // what it holds is of the past
		return
	}
	fx := p.machine.Adopt(t, p.clock())
	p.table = t
	p.member = p.member || p.phase() != 0
	p.leaveBehind()
	switch {
	case was == 0 || t.Member(p.id) != nil:
	case was == layout.Leaving:
		p.retired = true
		p.sim.trace(p, "is retired")
	default:
		p.sim.trace(p, "is no member any more")
		p.startAnew()
		return
	}
	p.meet()
	p.run(fx)
	p.beat()
	p.sim.faults.adopted(p)
}

// startAnew is what a removed member does: it drops its memory and goes on as another
// incarnation (R4).
func (p *process) startAnew() {
	p.die()
	if p.host.stopping {
		p.sim.stopped(p.host)
		return
	}
	p.sim.at(p.sim.now+p.sim.some(50*time.Millisecond), nil, func() { p.host.begin(p.sim) })
}

// die ends the process. Nothing of it happens any more.
func (p *process) die() {
	if p.dead {
		return
	}
	p.dead, p.diedAt = true, p.sim.now
	p.sim.trace(p, "dies")
	if p.host.proc == p {
		p.host.proc = nil
	}
	for _, r := range p.requests {
		r.broken()
	}
	p.requests = nil
	p.sim.doomed = append(p.sim.doomed, p)
}

// bury ends its tasks, once none of them runs.
func (p *process) bury() {
	for _, t := range p.tasks {
		t.kill()
	}
	p.tasks, p.waiting, p.backlog = nil, nil, nil
	p.mem.Close()
}

// pause stops everything of a process, its clock excepted.
func (p *process) pause(d time.Duration) {
	if p.dead || p.paused {
		return
	}
	p.paused = true
	p.sim.trace(p, "is paused for %v", d)
	p.sim.at(p.sim.now+d, nil, p.resume)
}

func (p *process) resume() {
	if p.dead || !p.paused {
		return
	}
	p.paused = false
	p.sim.trace(p, "goes on")
	backlog := p.backlog
	p.backlog = nil
	for _, e := range backlog {
		p.sim.at(p.sim.now, p, e.do)
	}
}

// settled wakes those whose operation has ended.
func (p *process) settled() {
	if len(p.waiting) == 0 {
		return
	}
	p.waiting = slices.DeleteFunc(p.waiting, func(w *waiting) bool {
		select {
		case <-w.op.Done():
			w.wake()
			return true
		default:
			return false
		}
	})
}

func (p *process) placed(u uid.UID) { p.freeing.Placed(u) }

// stall lets others run in the middle of something that looks as if it took no time: the
// goroutine may lose its processor, or the process stops.
func (p *process) stall() {
	t := p.sim.running
	if t == nil || t.of != p {
		return
	}
	d := p.sim.faults.stalls(p)
	if d == 0 {
		return
	}
	may := t.stalls
	t.stalls = false
	p.sim.trace(p, "%s stalls for %v", t.name, d)
	t.sleep(d)
	t.stalls = may
}

// stallIfAsked is for places where locks are held sometimes.
func (p *process) stallIfAsked() {
	if t := p.sim.running; t != nil && t.of == p && t.stalls {
		p.stall()
	}
}

// looked is the process's clock for the machine, which looks at it where it may be late.
func (p *process) looked() time.Duration {
	p.stall()
	return p.clock()
}

// reading runs something that may be stalled wherever it reads.
func (t *task) reading(do func()) {
	t.stalls = true
	do()
	t.stalls = false
}

func pick[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/controllers/placement"
)

const (
	lookEvery = 300 * time.Millisecond
	pollEvery = 250 * time.Millisecond
)

// author is one life of the process that writes layouts.
type author struct {
	sim     *Simulation
	task    *task
	seen    map[layout.ID]*seen
	dead    bool
	stopped time.Duration // it is paused until then
	why     string        // what the placement said last
}

// seen is what an author knows of a process.
type seen struct {
	host   *host
	status *peer.Status
	heard  time.Duration // when it answered last, or was first looked for
	since  time.Duration // when it began to answer without a gap; 0: it does not
}

func (s *Simulation) startAuthor() {
	a := &author{sim: s, seen: make(map[layout.ID]*seen)}
	s.trace(nil, "an author begins")
	s.authors = append(s.authors, a)
	a.poll()
	a.task = s.spawn(nil, "author", a.work)
}

func (a *author) die() {
	a.dead = true
	a.task.kill()
	if a.sim.underWay() {
		a.sim.count("an author died in a change")
	}
	a.sim.trace(nil, "an author dies")
	a.sim.authors = slices.DeleteFunc(a.sim.authors, func(o *author) bool { return o == a })
}

// work reads, decides, writes, reads back and pushes, for ever.
func (a *author) work(t *task) {
	s := a.sim
	var pushed *layout.Layout
	for {
		t.sleep(s.profile.look/2 + s.some(s.profile.look))
		a.rest(t)
		before := slices.Clone(s.hosts)
		current, err := s.durable.read(t)
		if err != nil {
			continue
		}
		if l := current.newest(); l != pushed {
			a.push(l)
			pushed = l
		}
		a.rest(t)
		a.attend(current, before)
		next, why, by := a.decide(current)
		a.why = why
		if next == nil {
			a.pushAgain(current.newest())
			continue
		}
		a.rest(t)
		if err := s.durable.write(t, current, next, by); err != nil {
			s.trace(nil, "the author could not write layout %d: %v", next.layout.Epoch, err)
		} else {
			s.trace(nil, "the author wrote layout %d, nodes %v: %s", next.layout.Epoch, next.names, why)
		}
		// Only what is read back is durable (I6).
		if current, err = s.durable.read(t); err == nil {
			pushed = current.newest()
			a.push(pushed)
		}
	}
}

// newest is a record's layout, if there is one.
func (r *record) newest() *layout.Layout {
	if r == nil {
		return nil
	}
	return r.layout
}

// rest waits while the author is paused. What it could not hear then is not the silence
// of others.
func (a *author) rest(t *task) {
	if a.stopped <= a.sim.now {
		return
	}
	was := a.sim.now
	t.sleep(a.stopped - a.sim.now)
	for _, o := range a.seen {
		o.heard += a.sim.now - was
	}
}

// push hands a layout to all processes, or to some of them.
func (a *author) push(l *layout.Layout) {
	if l == nil {
		return
	}
	half := !a.sim.network.quiet && a.sim.rng.Float64() < a.sim.profile.halfPushes
	for _, h := range a.sim.hosts {
		if half && a.sim.rng.IntN(2) == 0 {
			continue
		}
		a.pushTo(h, l)
	}
}

func (a *author) pushTo(h *host, l *layout.Layout) {
	m := &message{place: authorPlace, epoch: l.Epoch, newest: l, body: push{}}
	a.sim.deliver(m, h, func(reply) {})
}

// pushAgain hands the layout to those who say that they have an older one.
func (a *author) pushAgain(l *layout.Layout) {
	if l == nil {
		return
	}
	for _, h := range a.sim.hosts {
		for _, o := range a.known() {
			if o.host == h && o.status != nil && o.status.Epoch < l.Epoch {
				a.pushTo(h, l)
				break
			}
		}
	}
}

// poll asks every host how it is, again and again.
func (a *author) poll() {
	if a.dead {
		return
	}
	s := a.sim
	s.at(s.now+pollEvery, nil, a.poll)
	if a.stopped > s.now {
		return
	}
	for _, h := range s.hosts {
		asked := s.now
		s.deliver(&message{place: authorPlace, body: status{}}, h, func(r reply) {
			if s.lost(h.number, authorPlace) || r.err != nil {
				return
			}
			s.at(s.now+s.delay(), nil, func() { a.hear(h, r.body.(*peer.Status), asked) })
		})
	}
}

// hear takes in what a process said, unless it took longer than it is waited for.
func (a *author) hear(h *host, st *peer.Status, asked time.Duration) {
	s := a.sim
	if a.dead || a.stopped > s.now || s.now-asked > callTimeout {
		return
	}
	o := a.seen[st.Incarnation]
	if o == nil {
		o = &seen{host: h}
		a.seen[st.Incarnation] = o
	}
	if o.since == 0 || s.now-o.heard >= placement.SuspectAfter {
		o.since = s.now
	}
	o.status, o.heard = st, s.now
	// Of the processes of one home at most one lives: those before it are dead.
	for _, p := range h.all {
		if p.id[1] < st.Incarnation[1] && p.proof == 0 {
			p.proof = s.now
		}
	}
}

// known is what was seen, in an order that does not depend on maps.
func (a *author) known() (all []*seen) {
	for _, h := range a.sim.hosts {
		for _, p := range h.all {
			if o := a.seen[p.id]; o != nil {
				all = append(all, o)
			}
		}
	}
	return all
}

// world is what the placement is told.
func (a *author) world(current *layout.Layout) placement.World {
	s := a.sim
	w := placement.World{Silent: make(map[layout.ID]time.Duration)}
	for _, o := range a.known() {
		if o.status == nil || s.now-o.heard >= placement.SuspectAfter {
			continue
		}
		w.Seen = append(w.Seen, observation(o, s.now))
	}
	for _, h := range s.made {
		for _, p := range h.all {
			if p.proof != 0 && p.proof <= s.now {
				w.Dead = append(w.Dead, p.id)
			}
		}
	}
	if current == nil {
		return w
	}
	w.Ending = a.endings(current)
	for i := range current.Members {
		id := current.Members[i].Incarnation
		o := a.seen[id]
		if o == nil {
			o = &seen{host: s.hostOf(&current.Members[i]), heard: s.now}
			a.seen[id] = o
		}
		if silent := s.now - o.heard; silent >= placement.SuspectAfter/2 {
			w.Silent[id] = silent
		}
	}
	return w
}

func observation(o *seen, now time.Duration) placement.Observation {
	st := o.status
	ob := placement.Observation{
		Name: o.host.name, Address: address(o.host), Home: address(o.host), Incarnation: st.Incarnation,
		Cluster: st.Cluster, Epoch: st.Epoch, Purged: st.Purged, Segments: st.Segments, Peers: st.Peers, Joining: st.Joining,
		Unfit: st.Ending || st.Retired || o.host.stopping,
	}
	if o.since != 0 {
		ob.Answering = now - o.since
	}
	return ob
}

func address(h *host) string { return fmt.Sprintf("host%d:1", h.number) }

func (s *Simulation) hostOf(m *layout.Member) *host { return s.made[m.Incarnation[0]-1] }

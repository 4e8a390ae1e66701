package simulation

import (
	"iter"
	"time"
)

// task is a sequence that waits in between. It is a coroutine: it runs only while the
// simulation lets it, and nothing else runs meanwhile.
type task struct {
	sim     *Simulation
	of      *process // nil: no node's
	name    string
	yield   func(struct{}) bool
	next    func() (struct{}, bool)
	stop    func()
	turn    uint64 // how often it waited: a waking that comes late is of the past
	waiting bool
	ended   bool
	stalls  bool // it may be stalled wherever memory is read
}

// killed unwinds a task whose process has died.
type killed struct{}

// spawn starts a task, which runs when the next event is due.
func (s *Simulation) spawn(of *process, name string, body func(t *task)) *task {
	t := &task{sim: s, of: of, name: name}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			t.ended = true
			if r := recover(); r != nil {
				if _, ok := r.(killed); !ok {
					panic(r)
				}
			}
		}()
		t.yield = yield
		body(t)
	})
	s.tasks = append(s.tasks, t)
	if of != nil {
		of.tasks = append(of.tasks, t)
	}
	t.waiting = true
	t.wakeAt(s.now)
	return t
}

// wait lets others run until the task is woken.
func (t *task) wait() {
	t.turn++
	t.waiting = true
	if !t.yield(struct{}{}) {
		panic(killed{})
	}
}

// wakeAt wakes the task at a time, unless something else woke it before.
func (t *task) wakeAt(at time.Duration) {
	turn := t.turn
	t.sim.at(at, t.of, func() {
		if t.turn == turn && t.waiting && !t.ended {
			t.run()
		}
	})
}

// waker returns a function that wakes the task from what it is about to wait for.
func (t *task) waker() func() {
	turn := t.turn + 1
	return func() {
		t.sim.at(t.sim.now, t.of, func() {
			if t.turn == turn && t.waiting && !t.ended {
				t.run()
			}
		})
	}
}

func (t *task) run() {
	t.waiting = false
	before := t.sim.running
	t.sim.running = t
	t.next()
	t.sim.running = before
}

// sleep waits for a time.
func (t *task) sleep(d time.Duration) {
	wake := t.waker()
	t.sim.at(t.sim.now+d, t.of, wake)
	t.wait()
}

// kill ends a task that waits.
func (t *task) kill() {
	if !t.ended {
		t.stop()
		t.ended = true
	}
}

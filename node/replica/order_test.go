package replica

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// Nothing is answered or applied before every owner has it, and until then both the value
// that comes and the one that goes count as referred to (I2, F27).
func TestNotAcknowledgedBeforeAllHaveIt(t *testing.T) {
	w, p, b, c := three(t)
	first := p.order(put("k", 1))
	w.run()
	is(t, p.ended(first), nil)
	second := p.order(put("k", 2))
	sent := p.sent()
	w.deliver(sent[0])
	w.arrive(sent[1]) // its answer is on its way
	b.stores("k", 2)
	c.stores("k", 2)
	is(t, p.ended(second), errWaiting)
	p.has("k", 1)
	if !p.refers(1) || !p.refers(2) {
		t.Error("a write under way counts with neither what it brings nor what it replaces")
	}
	w.answer(sent[1], nil, true)
	is(t, p.ended(second), nil)
	p.has("k", 2)
	if p.refers(1) || len(p.dropped) != 1 || p.dropped[0] != (uid.UID{1}) {
		t.Errorf("the value that was replaced is still referred to, or %v was hinted at", p.dropped)
	}
}

// A value that another key refers to is not hinted at when one key gives it up.
func TestSharedValueIsNotDropped(t *testing.T) {
	w, p, _, _ := three(t)
	for _, write := range []*wire.Write{put("j", 1), put("k", 1), put("k", 1), put("k", 2)} {
		p.order(write)
		w.run()
	}
	if len(p.dropped) != 0 {
		t.Errorf("dropped %v", p.dropped)
	}
	p.order(del("j"))
	w.run()
	if len(p.dropped) != 1 || p.dropped[0] != (uid.UID{1}) {
		t.Errorf("dropped %v", p.dropped)
	}
}

// What is lost on its way is sent again, more and more seldom, until it arrives.
func TestSentAgainUntilItArrives(t *testing.T) {
	w, p, b, _ := three(t)
	op := p.order(put("k", 1))
	for _, m := range p.sent() {
		w.answer(m, nil, false)
	}
	times := 0
	for range 2400 { // a minute
		w.pass(25 * time.Millisecond)
		for _, m := range p.sent() {
			times++
			w.answer(m, nil, false)
		}
	}
	if times < 2*60 || times > 2*70 {
		t.Errorf("sent %d times in a minute", times)
	}
	is(t, p.ended(op), errWaiting)
	w.beats()
	p.has("k", 0)
	w.pass(time.Second)
	if len(p.out) != 2 {
		t.Fatalf("%d messages", len(p.out))
	}
	w.pass(time.Minute)
	if len(p.out) != 2 {
		t.Error("it is sent again before anything is known of the first")
	}
	w.run()
	w.beats()
	is(t, p.ended(op), nil)
	p.has("k", 1)
	b.stores("k", 1)
}

// An operation that was ordered is never given up, whoever waits for it.
func TestAbandon(t *testing.T) {
	w, p, _, _ := three(t)
	ordered, parked, third := p.order(put("k", 1)), p.order(put("k", 2)), p.order(put("k", 3))
	is(t, p.Abandon(ordered), kv.ErrUnknown)
	err := p.Abandon(parked)
	because(t, err, kv.Busy)
	because(t, p.ended(parked), kv.Busy)
	if p.refers(2) || !p.refers(1) || !p.refers(3) {
		t.Error("what is under way is not what is referred to")
	}
	w.run()
	is(t, p.ended(ordered), nil)
	is(t, p.Abandon(ordered), nil)
	is(t, p.ended(third), nil)
	p.has("k", 3)
	is(t, p.Abandon(third), nil)
	if marks := p.Marks(idB, new([layout.Slots]kv.Version)); marks[slotK].Version != (kv.Version{View: 1, N: 2}) {
		t.Errorf("watermark %v: what was not ordered took a number", marks[slotK])
	}
}

// Operations on one key take turns, in the order in which they came, and each is judged by
// what the one before it left: refusals too wait for that (F1).
func TestOneAtATime(t *testing.T) {
	w, p, _, _ := three(t)
	ops := []*Op{p.order(put("k", 1)), p.order(on(put("k", 2), 0)), p.order(on(put("k", 3), 1)), p.order(on(del("k"), 3)), p.order(del("k"))}
	other := p.order(put("j", 4))
	for _, m := range p.sent() {
		if m.replicate.Msg.Entry.Key == "j" {
			w.deliver(m)
		} else {
			p.out = append(p.out, m)
		}
	}
	is(t, p.ended(other), nil)
	for i, op := range ops {
		if err := p.ended(op); err != errWaiting { //nolint:errorlint // it is this very one
			t.Errorf("%d: %v", i, err)
		}
	}
	w.run()
	for i, want := range []error{nil, kv.ErrPrecondition, nil, nil, kv.ErrNotFound} {
		is(t, p.ended(ops[i]), want)
	}
	p.has("k", 0)
	if busy := len(p.busy.refs); busy != 0 {
		t.Errorf("%d values count as under way", busy)
	}
}

func TestRefusedBeforeItIsOrdered(t *testing.T) {
	for name, c := range map[string]struct {
		ready error
		write *wire.Write
		room  bool
		want  error
	}{
		"an owner is away":                        {kv.ErrUnavailable, put("k", 2), true, kv.ErrUnavailable},
		"an owner is away, another key":           {kv.ErrUnavailable, put("j", 2), true, kv.ErrUnavailable},
		"an owner is away, delete":                {kv.ErrUnavailable, del("k"), true, kv.ErrUnavailable},
		"an owner has no memory":                  {kv.ErrNoMemory, put("k", 2), true, kv.ErrNoMemory},
		"an owner has no memory, delete":          {kv.ErrNoMemory, del("k"), true, nil},
		"no memory here":                          {nil, put("k", 2), false, kv.ErrNoMemory},
		"no memory here, delete":                  {nil, del("k"), false, nil},
		"it fails by itself, and an owner's away": {kv.ErrUnavailable, on(put("k", 2), 9), true, kv.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			p.order(put("k", 1))
			w.run()
			p.ready[idC] = c.ready
			p.opt.Entries = withRoom{memory{p.store}, c.room}
			op := p.order(c.write)
			if c.want == nil {
				w.run()
			} else if len(p.out) != 0 {
				t.Error("what was refused was sent")
			}
			is(t, p.ended(op), c.want)
			if c.want != nil {
				p.has("k", 1)
			}
			if p.refers(2) {
				t.Error("what was refused counts as under way")
			}
		})
	}
}

// withRoom has room or not.
type withRoom struct {
	memory
	room bool
}

func (e withRoom) Room(int64) bool { return e.room }

// A write says when and by whose leave its value was placed. The primary judges that by its
// own clock, and by the owners that it knows of (F26).
func TestTickets(t *testing.T) {
	for name, c := range map[string]struct {
		ticket func(now uint64) wire.Ticket
		placed uint64
		want   error
	}{
		"fresh":              {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now} }, 5, nil},
		"as old as it may":   {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now - 3000} }, 5, nil},
		"older":              {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now - 3001} }, 5, ErrTicket},
		"of the future":      {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now + 1} }, 5, ErrTicket},
		"another's":          {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idB, Clock: now} }, 5, ErrTicket},
		"at the same owners": {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now} }, 4, nil},
		"at other owners":    {func(now uint64) wire.Ticket { return wire.Ticket{Incarnation: idP, Clock: now} }, 3, ErrTicket},
	} {
		t.Run(name, func(t *testing.T) {
			l := founded(idP, idB)
			l.Epoch = 5
			value := l.Segments[0] // the value's slot is another one, and has other owners since epoch 4
			value.Lo, value.View = 200, 4
			l.Segments = append(l.Segments, value)
			w := newWorld(t, l, idP, idB)
			w.beats()
			p := w.nodes[idP]
			write := put("k", 200)
			write.Ticket, write.Placed = c.ticket(p.opt.Tick()), c.placed
			op, fx := p.Order(slotK, write, idClient, w.clock)
			p.take(fx)
			w.run()
			is(t, p.ended(op), c.want)
			if p.refers(200) != (c.want == nil) {
				t.Error("what is referred to is not what there is")
			}
		})
	}
}

// A deletion that was on its way for long is not executed: what was acknowledged since stays.
// Nodes of before send deletions without a ticket.
func TestTicketsOfDeletions(t *testing.T) {
	const sent = 1000 // by the primary's clock
	for name, c := range map[string]struct {
		ticket wire.Ticket
		took   time.Duration
		want   error
	}{
		"at once":             {wire.Ticket{Incarnation: idP, Clock: sent}, 0, nil},
		"just in time":        {wire.Ticket{Incarnation: idP, Clock: sent}, TicketAge * time.Second, nil},
		"too late":            {wire.Ticket{Incarnation: idP, Clock: sent}, TicketAge*time.Second + time.Millisecond, ErrTicket},
		"for another":         {wire.Ticket{Incarnation: idB, Clock: sent}, 0, ErrTicket},
		"of a node of before": {wire.Ticket{}, time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			w.now = sent*time.Millisecond + c.took
			w.beats()
			p.order(put("k", 1))
			w.run()
			late := del("k")
			late.Ticket = c.ticket
			op, fx := p.Order(slotK, late, idClient, w.clock)
			p.take(fx)
			w.run()
			is(t, p.ended(op), c.want)
			if p.refers(1) != (c.want != nil) {
				t.Error("what was acknowledged is gone, or what was deleted is not")
			}
		})
	}
}

// A write is known to those who ask for references before its age is judged: whoever was
// told that there is none asked before that, and so too soon after the placing (I5).
func TestTicketIsJudgedAfterTheWriteIsKnown(t *testing.T) {
	w, p, _, _ := three(t)
	write := put("k", 1)
	write.Ticket, write.Placed = wire.Ticket{Incarnation: idP, Clock: p.opt.Tick()}, 1
	asked := false
	op, _ := p.Order(slotK, write, idClient, func() time.Duration {
		asked = true
		if !p.refers(1) {
			t.Error("the write is not known while it is judged")
		}
		w.now += TicketAge*time.Second + time.Millisecond
		return w.now
	})
	is(t, p.ended(op), ErrTicket)
	if !asked {
		t.Error("the clock was not looked at")
	}
}

// An owner that was told of a write under way does not ask again: if the write is refused
// after that, it hears that nothing refers to the value (simulation, seed 103).
func TestRefusedAfterSomebodyAsked(t *testing.T) {
	for name, asked := range map[string][]wire.Ref{
		"nobody":    {},
		"one slot":  {{UID: uid.UID{1}, Slot: slotK}},
		"all slots": {{UID: uid.UID{1}, Slot: wire.AnySlot}},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			late := put("k", 1)
			late.Ticket = wire.Ticket{Incarnation: idP}
			op, fx := p.Order(slotK, late, idP, func() time.Duration {
				a, err := p.Refers(asked, p.epoch, w.clock)
				is(t, err, nil)
				for _, n := range a.Slots {
					if n != slotK {
						t.Error("the write is not known")
					}
				}
				w.pass(TicketAge*time.Second + time.Second)
				w.beats()
				return w.now
			})
			p.take(fx)
			is(t, p.ended(op), ErrTicket)
			p.dropped = nil
			p.take(p.Tick(w.now))
			p.take(p.Tick(w.now))
			if len(p.dropped) != len(asked) {
				t.Errorf("hinted at %v", p.dropped)
			}
			if len(p.busy.refs)+len(p.busy.told) != 0 {
				t.Error("it is still under way")
			}
		})
	}
}

// What is decided by what is committed is an answer like one to a reader: the leases must
// be there afterwards (F7). What was done needs none.
func TestNegativeAnswersNeedTheLease(t *testing.T) {
	cut := 27 * time.Second / 10 // 0.9 L
	for name, c := range map[string]struct {
		write *wire.Write
		want  error
	}{
		"precondition": {on(put("k", 2), 0), kv.ErrPrecondition},
		"not found":    {del("none"), kv.ErrNotFound},
		"done":         {put("k", 2), nil},
	} {
		t.Run(name, func(t *testing.T) {
			w, p, _, _ := three(t)
			p.order(put("k", 1))
			w.run()
			op := p.order(c.write)
			w.run()
			w.now += cut - 1
			is(t, p.ended(op), c.want)
			w.now++
			if c.want == nil {
				is(t, p.ended(op), nil)
			} else {
				because(t, p.ended(op), kv.CutOff)
			}
			because(t, p.ended(p.order(put("k", 3))), kv.CutOff)
			w.beats()
			is(t, p.ended(op), c.want)
			w.adopt(owners(2, 2, serving(idB, idP, idC)...), idP)
			if c.want != nil {
				because(t, p.ended(op), kv.Moved)
			}
		})
	}
}

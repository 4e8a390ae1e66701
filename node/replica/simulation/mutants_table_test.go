package simulation

// Where these files are changed, node/peers, node/router and the authors follow the same
// rule in code of their own: these are the simulation's.
const (
	ours    = "node/replica/simulation/"
	machine = "node/replica/"
)

const few, many = 500, 3000

// mutants by the numbers of the review of the protocol; those with letters above g and the
// last ones are further rules.
//
// Two rules are covered by others, so nothing can come of leaving one out alone. Whoever
// grants a lease with a newer layout says so, and it does not count (20), as whoever has
// an older one is not granted any (19): they are left out together. And that a member does
// not free as soon as it serves (21): whoever has answered it has its layout, and refuses
// from then on what was placed before that member was attached (15b); what was placed
// later has touched the value here.
var mutants = []mutant{
	{"1 acknowledged before all owners have it", []edit{{
		machine + "order.go", "\t\tif len(op.missing) == 0 {\n\t\t\tm.settle(s, op, &fx)", "\t\tif true {\n\t\t\tm.settle(s, op, &fx)",
	}}, many, ""},
	{"1b who is attached is not waited for", []edit{{
		machine + "adopt.go", "\t\t\ts.others = append(s.others, member)\n", "\t\t\tif member.Phase != layout.Attached {\n\t\t\t\ts.others = append(s.others, member)\n\t\t\t}\n",
	}}, many, ""},
	{"2 what is under way is read", []edit{{
		machine + "read.go", "\te, ok := m.opt.Entries.Entry(n, key)\n\tif err := s.holds",
		"\te, ok := m.opt.Entries.Entry(n, key)\n\tif op := s.order.pending[key]; op != nil {\n\t\te, ok = op.entry, true\n\t}\n\tif err := s.holds",
	}}, many, ""},
	{"2b a precondition fails by what is under way", []edit{{
		machine + "order.go", "\tcase s.order.pending[w.Key] != nil:\n",
		"\tcase s.order.pending[w.Key] != nil && !w.Cond.Allow(&s.order.pending[w.Key].entry):\n\t\tm.refuseOp(op, kv.ErrPrecondition)\n\tcase s.order.pending[w.Key] != nil:\n",
	}}, many, ""},
	{"3 the lease is looked at before the read", []edit{{
		machine + "read.go", "\te, ok := m.opt.Entries.Entry(n, key)\n\tif err := s.holds(st, clock()); err != nil {\n\t\treturn kv.Entry{}, err\n\t}\n",
		"\tif err := s.holds(st, clock()); err != nil {\n\t\treturn kv.Entry{}, err\n\t}\n\te, ok := m.opt.Entries.Entry(n, key)\n",
	}}, many, ""},
	{"3b a lease counts from when its grant arrives", []edit{{
		ours + "driver.go", "p.machine.Granted(m.Incarnation, r.epoch, sent)", "p.machine.Granted(m.Incarnation, r.epoch, sent-sent+p.clock())",
	}}, many, ""},
	{"4 a new primary does not wait", []edit{{
		machine + "wake.go", "\t\tif !confirmed && m.leases.givenTo(id, now) {", "\t\tif false && !confirmed && m.leases.givenTo(id, now) {",
	}}, many, ""},
	{"5 what was gathered is not used", []edit{{
		machine + "wake.go", "\t\t\t\ts.waking.find(n, reply.Ops)\n", "",
	}}, many, ""},
	{"5b the other owners need not have adopted the view", []edit{{
		machine + "wake.go", "\t\tif slices.ContainsFunc(w.asks, func(a asking) bool { return !a.done }) {\n\t\t\treturn\n\t\t}\n", "",
	}}, many, ""},
	{"5c what the new primary itself has unsettled is not ordered anew", []edit{{
		machine + "wake.go", "\t\t\ts.waking.take(&u)\n", "\t\t\t_ = u\n",
	}}, many, ""},
	{"6 acknowledgements of an old view count", []edit{{
		machine + "order.go", "\tif op.finished || op.entry.Version != v || v.View != s.view || ", "\t_ = v\n\tif op.finished || ",
	}}, few, "acks"},
	{"6b who hears of a newer layout does not adopt it", []edit{
		{ours + "serve.go", "\tp.adopt(m.newest)\n", "\tswitch m.body.(type) {\n\tcase *wire.Replicate, *wire.Gather:\n\tdefault:\n\t\tp.adopt(m.newest)\n\t}\n"},
		{machine + "backup.go", "\tcase s.primary == nil || s.primary.Incarnation != from:", "\tcase s.primary == nil || s.view > view && s.primary.Incarnation != from:"},
		{machine + "backup.go", "\tcase s.view != view:", "\tcase s.view > view:"},
	}, many, ""},
	{"7 who is meant is not looked at", []edit{{
		ours + "network.go", "m.to != (layout.ID{}) && p.id != m.to", "false",
	}}, many, ""},
	{"8 what was copied before attaching counts as complete", []edit{{
		machine + "copying.go", "\ts.copying.copied = true\n", "\ts.copying.copied, s.copying.entries, s.copying.values = true, true, true\n",
	}}, many, ""},
	{"9 tombstones are dropped while entries are copied", []edit{{
		machine + "backup.go", "\t\tcase s.copying.open:\n", "\t\tcase false:\n",
	}}, few, "pages"},
	{"10 having a value is told without touching it", []edit{{
		"node/store/values.go", "\t_, ok := vs.touch(s, &u, witness)\n\treturn ok\n", "\t_, ok := vs.find(s.mem, &u)\n\treturn ok\n",
	}}, many, ""},
	{"10b freeing does not see what is under way", []edit{{
		machine + "refs.go", "\t\tn, ok := m.busy.find(ref)\n", "\t\tn, ok := uint8(0), false\n",
	}}, few, "pending"},
	{"10c no reference is told without a lease", []edit{{
		machine + "refs.go", "\tif err := r.Holds(clock()); err != nil {\n\t\treturn wire.Answers{}, err\n\t}\n", "\tclock()\n",
	}}, many, ""},
	{"11 what may have happened is tried again", []edit{{
		"node/routing/retry.go", "return errors.Is(err, replica.ErrTicket) ||", "return errors.Is(err, kv.ErrUnknown) || errors.Is(err, replica.ErrTicket) ||",
	}}, few, ""},
	{"12 pushed before it is durable", []edit{{
		ours + "author.go", "\t\ta.rest(t)\n\t\tif err := s.durable.write", "\t\ta.push(next.layout)\n\t\ta.rest(t)\n\t\tif err := s.durable.write",
	}}, few, ""},
	{"12b one that is not complete is promoted", []edit{{
		"controllers/placement/promote.go", "!s.begun(g) && !s.complete(m.Incarnation, g)", "false && g == nil",
	}}, few, ""},
	{"13 the last owner goes on suspicion", []edit{{
		"controllers/placement/remove.go", "m.Phase.Acknowledges() && s.suspect[m.Incarnation] && s.spared(m)", "m.Phase.Acknowledges() && s.suspect[m.Incarnation]",
	}}, few, ""},
	{"13b slots are given up on suspicion", []edit{{
		"controllers/placement/giveup.go", "return !s.listed[m.Incarnation] })", "return !s.listed[m.Incarnation] && !s.suspect[m.Incarnation] })",
	}}, few, ""},
	{"14 the age of tickets is ignored", []edit{{
		machine + "order.go", " && now-t.Clock <= age\n", " && now-t.Clock <= 1000*age\n",
	}}, few, "orders"},
	{"14b tickets are judged before the write is known", []edit{
		{machine + "order.go", "\tif !w.Delete {\n\t\t// Known first", "\tjudged := m.admit(&m.slots[n], w)\n\tclock()\n\tif !w.Delete {\n\t\t// Known first"},
		{machine + "order.go", "\terr := m.admit(s, w)\n", "\terr := judged\n"},
	}, few, "orders"},
	{"15 losses are ignored", []edit{
		{machine + "losses.go", "\t\tif o.Loss > l.lost[i] {\n\t\t\tl.suspectLocked(i)\n\t\t}\n", ""},
		{machine + "losses.go", "\t\tif epoch != 0 {\n\t\t\tl.suspectLocked(i)\n\t\t}\n", "\t\t_, _ = i, epoch\n"},
	}, few, "parts"},
	{"15b where the value was placed is not looked at", []edit{{
		machine + "order.go", "m.losses.viewOf(w.UID.Slot()) > w.Placed", "false",
	}}, few, "late"},
	{"15c after a loss nobody waits", []edit{{
		machine + "wake.go", "\tif now < s.begins {", "\tif false {",
	}}, few, "heirs"},
	{"15d values are placed where nobody serves", []edit{
		{ours + "serve.go", "\tif owners.Primary == nil {", "\tif false {"},
		{ours + "coordinator.go", "\tif owners.Primary == nil {", "\tif false {"},
	}, few, "parts"},
	{"16 the view is not looked at again after a value was stored", []edit{
		{ours + "serve.go", "\tp.mem.keep(b.UID, b.Witness)\n\tp.stall()\n\treturn p.current(epoch, p.viewOf(b))\n", "\tp.mem.keep(b.UID, b.Witness)\n\tp.stall()\n\treturn nil\n"},
		{ours + "serve.go", "\treturn had, p.current(epoch, p.viewOf(b))\n", "\treturn had, nil\n"},
	}, few, "holding"},
	{"17 earlier primaries are forgotten too soon", []edit{{
		machine + "adopt.go", "\t\ts.earlier = append(s.earlier, s.primary.Incarnation)\n", "\t\ts.earlier = []layout.ID{s.primary.Incarnation}\n",
	}}, few, "successors"},
	{"18 the view is not looked at again after the read", []edit{{
		machine + "lease.go", "\tcase s.standing.Load() != st:\n", "\tcase false:\n",
	}}, many, ""},
	{"19 a lease is granted to whoever is behind, who counts it", []edit{
		{machine + "lease.go", "\tif epoch < l.epoch {\n\t\treturn false\n\t}\n", ""},
		{machine + "lease.go", "held == nil || epoch > l.epoch", "held == nil"},
	}, few, "behind"},
	{"22 a value is freed that was touched after the question", []edit{{
		"node/store/freeing.go", "func(h head) bool { return h.generation() == generation })", "func(head) bool { return true })",
	}}, many, ""},
	{"23 a primary that is demoted drops what is under way", []edit{{
		machine + "adopt.go", "\t\tm.handOver(s)\n", "\t\ts.order.pending, s.order.parked = nil, nil\n",
	}}, many, ""},
	{"24 what a page does not have stays", []edit{{
		machine + "copying.go", "\tm.dropMissing(s, after, p)\n", "\t_ = after\n",
	}}, many, ""},
	{"25 what is newer than a page is dropped if the page lacks it", []edit{{
		machine + "copying.go", "missing && !e.Deleted && e.Version.Compare(p.Watermark) <= 0", "missing && !e.Deleted",
	}}, many, ""},
	{"26 what is at or below the watermark is stored", []edit{{
		machine + "backup.go", "\tif r.Entry.Version.N <= s.backup.watermark {\n\t\treturn nil\n\t}\n", "",
	}}, many, ""},
	{"27 the primaries are asked by different layouts", []edit{
		{ours + "freeing.go", "refs{wire.Refs{Refs: asked}, epoch}", "refs{wire.Refs{Refs: asked}, max(epoch, a.p.epoch())}"},
		{ours + "freeing.go", "a.p.refers(a.t, asked, epoch)", "a.p.refers(a.t, asked, max(epoch, a.p.epoch()))"},
	}, few, "turns"},
	{"28 one is attached whom a primary of its slots does not reach", []edit{{
		"controllers/placement/reach.go", "return word == nil || word.Within(SuspectAfter)", "return word == nil || true",
	}}, few, "doors"},
	{"28b who has never answered counts as heard when it is first asked", []edit{{
		"api/peer/author.go", "return s.Answered && time.Duration(", "return time.Duration(",
	}}, few, "doors"},
	{"28c a primary that does not know that somebody joins is not waited for", []edit{{
		"controllers/placement/reach.go", "; o == nil || o.Epoch < max(m.JoinEpoch, g.View) {", "; o == nil {",
	}}, few, "doors"},
}

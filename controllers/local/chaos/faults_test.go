package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The most that may pass until writes go on, on a machine that has other things to do
// as well. docs/replication.md says where the time goes.
const (
	afterKill = 2 * time.Second
	afterStop = 5 * time.Second
	// Two that answer the author are given time to find each other again; then comes what a
	// stop takes, as neither is dead.
	afterCut = 9 * time.Second
)

// round is one fault while clients are at work.
type round struct {
	*history
	rnd *rand.Rand
}

// fault is something that happens to a cluster, from which it must recover by itself.
type fault struct {
	name   string
	happen func(r *round)
}

var faults = []fault{
	{"kill", func(r *round) {
		victim := r.node()
		r.c.kill(victim)
		r.written(victim, "killed", afterKill)
	}},
	{"kill all but one copy", func(r *round) {
		victim := r.node()
		for i := range r.c.copies - 1 {
			r.c.kill((victim + i) % len(r.c.names))
		}
		r.written(victim, "killed, and as many others as may be,", afterKill)
	}},
	{"kill, and kill what comes next", func(r *round) {
		victim := r.node()
		r.c.reborn(r.c.kill(victim))
		r.wait(0, 300*time.Millisecond)
		r.c.reborn(r.c.kill(victim))
	}},
	{"kill, and kill again what serves", func(r *round) {
		victim := r.node()
		r.c.reborn(r.c.kill(victim))
		r.c.calm()
		r.c.kill(victim)
		r.written(victim, "killed", afterKill)
	}},
	{"nap", func(r *round) {
		thaw := r.c.freeze(r.node())
		r.wait(500*time.Millisecond, 2*time.Second)
		thaw()
	}},
	{"sleep", func(r *round) {
		victim := r.node()
		thaw := r.c.freeze(victim)
		r.written(victim, "stopped", afterStop)
		r.wait(0, 2*time.Second)
		thaw()
	}},
	{"all sleep, the author too", func(r *round) {
		thaws := []func(){r.c.freezeAuthor()}
		for i := range r.c.names {
			thaws = append(thaws, r.c.freeze(i))
		}
		r.wait(500*time.Millisecond, 5*time.Second)
		r.rnd.Shuffle(len(thaws), func(a, b int) { thaws[a], thaws[b] = thaws[b], thaws[a] })
		for _, thaw := range thaws {
			thaw()
			r.wait(0, 200*time.Millisecond)
		}
	}},
	{"sleep while another is killed", func(r *round) {
		sleeper := r.node()
		thaw := r.c.freeze(sleeper)
		r.c.kill(r.other(sleeper))
		r.wait(time.Second, 4*time.Second)
		thaw()
	}},
	{"nap while another joins", func(r *round) {
		victim := r.node()
		r.c.reborn(r.c.kill(victim))
		r.wait(0, 200*time.Millisecond)
		thaw := r.c.freeze(r.other(victim))
		r.wait(200*time.Millisecond, time.Second)
		thaw()
	}},
	{"two cannot reach each other", func(r *round) {
		a := r.node()
		b := r.backup(a)
		r.c.network.part(r.c.names[a], r.c.names[b])
		r.written(a, "cut off from another", afterCut)
		r.written(b, "cut off from another", afterCut)
		r.wait(0, 2*time.Second)
		r.c.network.heal()
	}},
	{"two cannot reach each other while a third is killed", func(r *round) {
		a := r.node()
		b := r.backup(a)
		r.c.network.part(r.c.names[a], r.c.names[b])
		victim := r.other(a)
		for victim == b {
			victim = r.other(a)
		}
		r.wait(0, 2*time.Second)
		r.c.kill(victim)
		r.wait(time.Second, 4*time.Second)
		r.c.network.heal()
	}},
	{"one cannot dial another", func(r *round) {
		a := r.node()
		r.c.network.cut(r.c.names[a], r.c.names[r.backup(a)])
		r.wait(time.Second, time.Second)
		r.written(a, "not able to dial another", afterCut)
		r.wait(0, time.Second)
		r.c.network.heal()
	}},
	{"one cannot dial another that comes back", func(r *round) {
		a := r.node()
		b := r.backup(a)
		r.c.network.cut(r.c.names[a], r.c.names[b])
		r.c.reborn(r.c.kill(b))
		r.wait(3*time.Second, 3*time.Second)
		// It copies from whom cannot dial it. Attached, it would be taken out after 3 s, and come again.
		before := r.c.epoch()
		r.wait(5*time.Second, 5*time.Second)
		if now := r.c.epoch(); now != before {
			r.t.Errorf("the layout changed, from epoch %d to %d", before, now)
		}
		r.written(a, "not able to dial one that joins", time.Second)
		r.c.network.heal()
	}},
	{"alone", func(r *round) {
		victim := r.node()
		for i := range r.c.names {
			r.c.network.part(r.c.names[victim], r.c.names[i])
		}
		r.c.network.part(r.c.names[victim], "author")
		r.written(victim, "cut off from all others", afterStop)
		r.wait(0, 2*time.Second)
		r.c.network.heal()
	}},
	{"cut off from the author", func(r *round) {
		victim, before := r.node(), r.c.epoch()
		r.c.network.part(r.c.names[victim], "author")
		r.wait(2*time.Second, 4*time.Second)
		r.written(victim, "cut off from the author only", time.Second)
		r.c.network.heal()
		r.wait(500*time.Millisecond, 500*time.Millisecond)
		if now := r.c.epoch(); now != before {
			r.t.Errorf("the layout changed, from epoch %d to %d", before, now)
		}
	}},
	{"kill while the author sleeps", func(r *round) {
		victim := r.node()
		thaw := r.c.freezeAuthor()
		r.c.kill(victim)
		r.wait(time.Second, 4*time.Second)
		thaw()
		r.written(victim, "killed, and the author woke,", afterKill)
	}},
	{"connections break", func(r *round) {
		for range 5 {
			r.c.network.reset()
			r.wait(0, 500*time.Millisecond)
		}
	}},
	{"short interruptions", func(r *round) {
		for range 5 {
			a := r.node()
			r.c.network.part(r.c.names[a], []string{r.c.names[r.other(a)], "author"}[r.rnd.IntN(2)])
			r.wait(100*time.Millisecond, 900*time.Millisecond)
			r.c.network.heal()
			r.wait(0, 300*time.Millisecond)
		}
	}},
}

func (r *round) node() int { return r.rnd.IntN(len(r.c.names)) }

// other is a node besides this one.
func (r *round) other(than int) int {
	return (than + 1 + r.rnd.IntN(len(r.c.names)-1)) % len(r.c.names)
}

// backup is a node that has to acknowledge what this one orders.
func (r *round) backup(of int) int {
	for {
		if i := r.other(of); r.c.owns(i, r.c.ranges[of].Lo) {
			return i
		}
	}
}

func (r *round) wait(least, most time.Duration) {
	time.Sleep(least + time.Duration(r.rnd.Int64N(int64(most-least)+1)))
}

// written waits until writes are taken again at the other nodes, of a key whose primary
// was this node, and says how long that took.
func (r *round) written(victim int, what string, within time.Duration) {
	r.t.Helper()
	var key string
	for _, k := range r.keys {
		if r.c.primary(secret.KeySlot(k)) == victim {
			key = k
		}
	}
	took := r.put(r.rnd, key, func(try int) int { return (victim + 1 + try%(len(r.c.names)-1)) % len(r.c.names) })
	r.t.Logf("%s was %s: writes of its slots after %.2f s", r.c.names[victim], what, took.Seconds())
	if took > within {
		r.t.Errorf("that is more than %v", within)
	}
}

// shapes are the clusters that faults happen to: shards and copies.
var shapes = []string{"3x2", "1x3", "4x2"}

// together is how many faults a cluster has: a node that dies often is started again ever
// later.
const together = 6

// Whatever happens to one node at a time, no acknowledged write is lost, no read is stale,
// and the cluster recovers by itself.
func TestFaults(t *testing.T) {
	t.Parallel()
	rnd := ready(t)
	for i, some := range drawn(rnd) {
		name, rnd := cmp.Or(*shape, shapes[i%len(shapes)]), rand.New(rand.NewPCG(rnd.Uint64(), 0))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shards, copies int
			if _, err := fmt.Sscanf(name, "%dx%d", &shards, &copies); err != nil {
				t.Fatal(err)
			}
			c := start(t, shards, copies, true)
			kept := c.keep(rnd)
			for j := 0; j < len(some) && !t.Failed(); j++ {
				maps.Copy(kept.etags, c.suffer(together*i+j, some[j], rnd))
				kept.check(rnd)
			}
			c.settled(nil)
		})
	}
}

// drawn are the faults of each cluster: all kinds in any order, then all again.
func drawn(rnd *rand.Rand) [][]fault {
	var kinds, all []fault
	for _, f := range faults {
		if *only == "" || *only == f.name {
			kinds = append(kinds, f)
		}
	}
	for len(all) < max(*rounds, len(kinds)) {
		rnd.Shuffle(len(kinds), func(a, b int) { kinds[a], kinds[b] = kinds[b], kinds[a] })
		all = append(all, kinds...)
	}
	if *rounds > 0 {
		all = all[:*rounds]
	}
	return slices.Collect(slices.Chunk(all, together))
}

// suffer has one fault happen, and returns what is there in the end.
func (c *cluster) suffer(number int, f fault, rnd *rand.Rand) (etags map[string]string) {
	c.t.Logf("round %d: %s", number, f.name)
	r := &round{newHistory(c.t, c, fmt.Sprintf("%d/", number)), rnd}
	began := time.Now()
	r.during(rnd, func() {
		r.wait(200*time.Millisecond, 400*time.Millisecond)
		f.happen(r)
		c.calm()
		r.wait(200*time.Millisecond, 200*time.Millisecond)
	})
	etags = r.end()
	c.t.Logf("round %d took %.1f s", number, time.Since(began).Seconds())
	return etags
}

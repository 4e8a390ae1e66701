package simulation

import "testing"

// TestChanges runs seeds in which what is wished for changes again and again, and much goes
// wrong meanwhile.
func TestChanges(t *testing.T) { run(t, Changing, 400) }

// TestCalm runs seeds in which what is wished for changes, and nothing goes wrong: clients
// hardly notice.
func TestCalm(t *testing.T) { run(t, Calm, 80) }

// TestCoverage counts what happens in seeds with changing wishes: where a kind of thing does
// not happen, nothing is tested by it.
func TestCoverage(t *testing.T) {
	if raced || testing.Short() {
		t.Skip("the same with the race detector")
	}
	var total tally
	const count = 60
	for seed := range uint64(count) {
		for _, kind := range []Kind{Changing, Calm} {
			r := Run(seed+1, kind, "", nil)
			total.add(&r)
		}
	}
	for what, least := range map[string]int{
		"hand over": 3 * count, "left": 2 * count, "restored": count / 2, "hurried": count / 5,
		"changes of mind": count, "wishes in the middle of a change": 5 * count, "reshapes": 5 * count,
		"rolls": count, "broken templates": count, "rollbacks": count / 2, "drains": count, "stops": count,
		"short deadlines": count / 4, "killed at their deadline": count / 12,
		"hurried before it waits no longer": count / 12, "not let go in time": count / 30,
		"an author died in a change": count, "crashes": count, "slots lost": 1, "joins and is not reached": count / 6,
	} {
		if n := total.counts[what]; n < least {
			t.Errorf("%s: %d times, and not %d", what, n, least)
		}
	}
	t.Log(&total)
}

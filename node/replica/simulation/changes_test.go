package simulation

import "testing"

// TestChanges runs seeds in which what is wished for changes again and again, and much goes
// wrong meanwhile.
func TestChanges(t *testing.T) { run(t, Changing) }

// TestCalm runs seeds in which what is wished for changes, and nothing goes wrong: clients
// hardly notice.
func TestCalm(t *testing.T) { run(t, Calm) }

package chaos

import (
	"testing"
	"time"
)

// Nodes end with their author, however it ends, also one that is stopped at the time.
func TestAuthorKilled(t *testing.T) {
	t.Parallel()
	rnd := ready(t)
	c := start(t, 3, 2, false)
	c.freeze(rnd.IntN(3))
	if err := c.author.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	for deadline := time.Now().Add(patience); len(c.registry.survivors()) > 0; time.Sleep(poll) {
		if time.Now().After(deadline) {
			t.Fatalf("they live on: %v", c.registry.survivors())
		}
	}
}

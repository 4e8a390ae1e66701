package store

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if underRace {
		// The model has no concurrency, so there is little more to see. The command line
		// still has the last word.
		_ = flag.Set("rapid.checks", "30")
	}
	goleak.VerifyTestMain(m)
}

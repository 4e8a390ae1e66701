package e2e

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/e2e-framework/klient/wait"
)

// eventually waits until a check finds nothing wrong. At the deadline the test fails with
// what the check found last.
func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	var last error
	began := time.Now()
	err := wait.For(func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	}, wait.WithContext(t.Context()), wait.WithImmediate(), wait.WithInterval(200*time.Millisecond), wait.WithTimeout(within))
	if err != nil {
		t.Fatalf("not within %s: %v", within, last)
	}
	if took := time.Since(began); took > within/2 {
		t.Logf("that took %s of %s", took.Round(100*time.Millisecond), within)
	}
}

package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelay(t *testing.T) {
	for _, tt := range []struct {
		attempt     int
		asked       time.Duration
		least, most time.Duration
	}{
		{0, 0, 100 * time.Millisecond, 125 * time.Millisecond},
		{2, 0, 400 * time.Millisecond, 500 * time.Millisecond},
		{0, 2 * time.Second, 2 * time.Second, 2500 * time.Millisecond},
		{0, time.Hour, 10 * time.Second, 12500 * time.Millisecond},
	} {
		if got := delay(tt.attempt, tt.asked); got < tt.least || got > tt.most {
			t.Errorf("attempt %d, asked for %v: %v", tt.attempt, tt.asked, got)
		}
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if !wait(t.Context(), time.Second) || time.Since(start) != time.Second {
			t.Errorf("waited %v", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if wait(ctx, 2*time.Second) || time.Since(start) != 0 {
			t.Errorf("waited %v in vain", time.Since(start))
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if wait(ctx, 5*time.Second) || time.Since(start) != time.Second {
			t.Errorf("did not stop waiting: %v", time.Since(start))
		}
	})
}

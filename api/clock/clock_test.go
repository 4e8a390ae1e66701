package clock

import (
	"testing"
	"time"
)

func TestNow(t *testing.T) {
	a := Now()
	time.Sleep(3 * time.Millisecond)
	if d := Now() - a; d < 3*time.Millisecond || d > time.Minute {
		t.Errorf("3 ms took %v", d)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		Now()
	}
}

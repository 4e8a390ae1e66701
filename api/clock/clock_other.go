//go:build !linux

package clock

import "time"

var started = time.Now()

// Now is the clock.
func Now() time.Duration { return time.Since(started) }

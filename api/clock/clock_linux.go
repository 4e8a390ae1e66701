package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// Now is the clock.
func Now() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("clock: " + err.Error()) // the kernel has had this clock since Linux 2.6.39
	}
	return time.Duration(ts.Nano())
}

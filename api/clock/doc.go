// Package clock is the clock that leases are measured by: it never jumps, and where the
// system has such a one it runs on while the machine sleeps, which Go's monotonic clock
// does not. Now is the time since some moment before this process began.
package clock

package kv

import (
	"errors"
	"fmt"
)

// How a request can fail. Layers wrap these with what they were doing; node/rest
// maps them to status codes in one place.
var (
	// ErrNotFound: the key has no value.
	ErrNotFound = errors.New("no such key")
	// ErrPrecondition: the entry does not meet the request's conditions.
	ErrPrecondition = errors.New("precondition failed")
	// ErrNoMemory: the write would pass a memory limit. Nothing was changed.
	ErrNoMemory = errors.New("memory limit reached")
	// ErrTooLarge: the value is larger than the limit.
	ErrTooLarge = errors.New("value too large")
	// ErrUnavailable: not executed; it may succeed when tried again.
	ErrUnavailable = errors.New("not available")
	// ErrUnknown: a write whose outcome is unknown; it may or may not have happened.
	ErrUnknown = errors.New("outcome unknown")
)

// Unavailable says why a request was not executed; it wraps ErrUnavailable.
func Unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnavailable, fmt.Sprintf(format, args...))
}

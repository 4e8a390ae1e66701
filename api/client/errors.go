package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What an *Error can be. Test with errors.Is.
var (
	// ErrKey: a key must have 1 to MaxKey bytes. Nothing was sent.
	ErrKey = fmt.Errorf("a key has 1 to %d bytes", MaxKey)
	// ErrRequest: the server does not understand the request, such as an ETag that is none.
	ErrRequest = errors.New("bad request")
	// ErrNotFound: the key has no value.
	ErrNotFound = errors.New("not found")
	// ErrPrecondition: the key's value is not what the request demanded.
	ErrPrecondition = errors.New("precondition failed")
	// ErrTooLarge: the value is larger than the server accepts.
	ErrTooLarge = errors.New("value too large")
	// ErrNoMemory: the write would pass the server's memory limit.
	ErrNoMemory = errors.New("out of memory")
	// ErrUnavailable: the request was not executed; it may succeed later.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnknown: whether the write was executed is unknown.
	ErrUnknown = errors.New("outcome unknown")
	// ErrTimeout: the server neither sent nor took anything for too long.
	ErrTimeout = errors.New("the server is silent")
)

// Error is a request that failed. It wraps one of the errors above, if one fits, and
// the error of the connection, if there was one.
type Error struct {
	Op         string        // such as `get "key"`
	Status     int           // of the answer; 0: there was none
	Reason     string        // the server's, in one line; may be empty
	RetryAfter time.Duration // how long the server asks to wait; 0: it did not say
	Kind       error         // one of the errors above or nil
	Err        error         // of the connection or nil
}

// Error is one line: what was done, what came of it, why.
func (e *Error) Error() string {
	parts := []string{e.Op}
	if e.Kind != nil {
		parts = append(parts, e.Kind.Error())
	} else if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("unexpected answer %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.Reason != "" {
		parts = append(parts, e.Reason)
	}
	if e.Err != nil && !errors.Is(e.Kind, e.Err) {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind and the connection's error.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// kindOf maps a status to an error in the only place where that happens.
func kindOf(status int, write bool) error {
	switch status {
	case http.StatusBadRequest:
		return ErrRequest
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusPreconditionFailed:
		return ErrPrecondition
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusInsufficientStorage:
		return ErrNoMemory
	case http.StatusServiceUnavailable:
		return ErrUnavailable
	case http.StatusGatewayTimeout:
		return ErrUnknown
	case http.StatusInternalServerError, http.StatusBadGateway:
		// Somebody on the way may have passed the write on before it failed.
		if write {
			return ErrUnknown
		}
	}
	return nil
}

// refusal makes an error of an answer and reads its reason.
func refusal(op string, resp *http.Response, write bool) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, Kind: kindOf(resp.StatusCode, write)}
	if s, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 31); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	line, err := bufio.NewReader(io.LimitReader(resp.Body, 512)).ReadString('\n')
	if err == nil || errors.Is(err, io.EOF) {
		e.Reason = printable(strings.TrimSpace(line))
	}
	return e
}

// printable keeps what a server says from commanding a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/eiri/seppen/node/kv"
)

// statusOf is the one place where errors become statuses. executed tells that the
// error is of a write that had begun, so that a deadline leaves its outcome unknown.
func statusOf(err error, executed bool) int {
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, kv.ErrPrecondition):
		return http.StatusPreconditionFailed
	case errors.Is(err, kv.ErrUnknown): // before ErrUnavailable, which may be its cause
		return http.StatusGatewayTimeout
	case errors.Is(err, kv.ErrNoMemory):
		return http.StatusInsufficientStorage
	case errors.Is(err, kv.ErrTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, kv.ErrUnavailable):
		return http.StatusServiceUnavailable
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if executed {
			return http.StatusGatewayTimeout
		}
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with the error of a request of which nothing was executed.
func (a *answer) fail(err error) { a.answerError(err, false) }

// failWrite answers with the error of a Put or a Delete.
func (a *answer) failWrite(err error) { a.answerError(err, true) }

func (a *answer) answerError(err error, executed bool) {
	switch status := statusOf(err, executed); status {
	case http.StatusNotFound, http.StatusPreconditionFailed:
		a.empty(status)
	case http.StatusRequestEntityTooLarge:
		a.tooLarge()
	case http.StatusInternalServerError:
		a.h.opt.Log.Error("request failed", "method", a.r.Method, "error", err)
		a.refuse(status, "internal error")
	default:
		if status == http.StatusServiceUnavailable {
			a.Header()["Seppen-Reason"] = []string{string(cmp.Or(kv.ReasonOf(err), kv.Busy))}
		}
		a.refuse(status, err.Error())
	}
}

func (a *answer) tooLarge() {
	a.refuse(http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the value is larger than the limit of %d bytes", a.h.opt.MaxValue))
}

// refuse answers with a status and its reason, one line.
func (a *answer) refuse(status int, reason string) {
	reason = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, reason) + "\n"
	head := a.Header()
	head["Content-Type"] = headerPlain
	head["X-Content-Type-Options"] = []string{"nosniff"}
	head["Content-Length"] = []string{strconv.Itoa(len(reason))}
	if status == http.StatusServiceUnavailable {
		head["Retry-After"] = headerOne
	}
	a.WriteHeader(status)
	if a.r.Method != http.MethodHead {
		a.Write([]byte(reason)) //nolint:errcheck // the client is gone; nobody to tell
	}
}

// empty answers with a status that has no body.
func (a *answer) empty(status int) {
	a.Header()["Content-Length"] = headerZero
	a.WriteHeader(status)
}

func (a *answer) empty405(allow string) {
	a.Header()["Allow"] = []string{allow}
	a.empty(http.StatusMethodNotAllowed)
}

func stack() string { return string(debug.Stack()) }

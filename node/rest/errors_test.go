package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

// TestErrors: each error of the backend, wrapped, at each of its methods.
func TestErrors(t *testing.T) {
	deadline := fmt.Errorf("asking the owner: %w", context.DeadlineExceeded)
	unknown := fmt.Errorf("%w: %w", kv.ErrUnknown, kv.ErrUnavailable)
	tests := []struct {
		method, failing string
		err             error
		status          int
		reason          string
	}{
		{"GET", "Lookup", kv.Refuse(kv.NoPrimary, "slot 7 has\nnone"), 503, "no primary: slot 7 has none\n"},
		{"GET", "Lookup", deadline, 503, "asking the owner: context deadline exceeded\n"},
		{"GET", "Lookup", context.Canceled, 503, "context canceled\n"},
		{"GET", "Lookup", fmt.Errorf("x: %w", kv.ErrNotFound), 404, ""},
		{"GET", "Lookup", errors.New("secret matter"), 500, "internal error\n"},
		{"HEAD", "Lookup", kv.ErrUnavailable, 503, ""},
		{"PUT", "NewBody", kv.ErrNoMemory, 507, "memory limit reached\n"},
		{"PUT", "NewBody", kv.ErrTooLarge, 413, "the value is larger than the limit of 67108864 bytes\n"},
		{"PUT", "NewBody", deadline, 503, "asking the owner: context deadline exceeded\n"},
		{"PUT", "Write", kv.ErrNoMemory, 507, "memory limit reached\n"},
		{"PUT", "Put", kv.ErrNoMemory, 507, "memory limit reached\n"},
		{"PUT", "Put", kv.ErrPrecondition, 412, ""},
		{"PUT", "Put", unknown, 504, "outcome unknown: not available\n"},
		{"PUT", "Put", deadline, 504, "asking the owner: context deadline exceeded\n"},
		{"PUT", "Put", kv.ErrUnavailable, 503, "not available\n"},
		{"DELETE", "Delete", kv.ErrUnknown, 504, "outcome unknown\n"},
		{"DELETE", "Delete", kv.ErrUnavailable, 503, "not available\n"},
		{"DELETE", "Delete", kv.ErrPrecondition, 412, ""},
		{"DELETE", "Delete", deadline, 504, "asking the owner: context deadline exceeded\n"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.err.Error(), func(t *testing.T) {
			var log bytes.Buffer
			m := newModel()
			m.fail[tt.failing] = tt.err
			r := request(New(m, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}), tt.method, "/k", "value")
			if got := read(t, r); r.StatusCode != tt.status || got != tt.reason {
				t.Errorf("%d %q, want %d %q", r.StatusCode, got, tt.status, tt.reason)
			}
			if got, want := r.Header.Get("Retry-After"), map[bool]string{true: "1"}[tt.status == 503]; got != want {
				t.Errorf("Retry-After %q, want %q", got, want)
			}
			if logged := log.Len() > 0; logged != (tt.status == 500) {
				t.Errorf("log: %q", log.String())
			}
			if m.open != 0 {
				t.Errorf("%d bodies were not given back", m.open)
			}
		})
	}
}

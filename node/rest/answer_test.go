package rest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eiri/seppen/node/kv"
)

// panicking is a backend with a fault; what it does before is the test's.
type panicking struct {
	*model
	problem any
	value   kv.Value
}

func (p *panicking) Lookup(context.Context, string, bool) (kv.Entry, kv.Value, error) {
	if p.value == nil {
		panic(p.problem)
	}
	return kv.Entry{}, p.value, nil
}

// brittle is a value whose second chunk is a fault.
type brittle struct{ modelValue }

func (b *brittle) Size() int64 { return 10 }

func (b *brittle) Chunk(off int64) ([]byte, error) {
	if off > 0 {
		panic("no more")
	}
	return []byte("12345"), nil
}

func (b *brittle) Close() {}

func TestPanics(t *testing.T) {
	for _, tt := range []struct {
		name    string
		backend *panicking
		status  int
		again   any // what comes out of the handler
		logged  bool
	}{
		{"before the header", &panicking{problem: "fault"}, 500, nil, true},
		{"after the header", &panicking{value: &brittle{}}, 200, http.ErrAbortHandler, true},
		{"abort", &panicking{problem: http.ErrAbortHandler}, 200, http.ErrAbortHandler, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			w := httptest.NewRecorder()
			again := func() (p any) {
				defer func() { p = recover() }()
				New(tt.backend, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}).
					ServeHTTP(w, httptest.NewRequest("GET", "/k", nil))
				return nil
			}()
			if w.Code != tt.status || again != tt.again {
				t.Errorf("status %d, panic %v", w.Code, again)
			}
			if logged := strings.Contains(log.String(), "panic"); logged != tt.logged {
				t.Errorf("log: %q", log.String())
			}
		})
	}
}

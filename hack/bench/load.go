//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

//go:embed load.lua
var script []byte

// endSize is the length of the part of a value in which it differs from others.
const endSize = 16

// load makes keys, values and runs of wrk.
type load struct {
	dir    string
	secret *uid.Secret
	hmac   func() hash.Hash
	next   uint64 // the number of the next value; none comes twice
}

func newLoad(dir string, secret []byte) (*load, error) {
	s, err := uid.NewSecret(secret)
	if err != nil {
		return nil, err
	}
	l := &load{dir: dir, secret: s, next: rand.Uint64() >> 1}
	l.hmac = func() hash.Hash { return hmac.New(sha256.New, secret) }
	return l, os.WriteFile(l.script(), script, 0o600)
}

func (l *load) file(name string) string { return filepath.Join(l.dir, name) }
func (l *load) script() string          { return l.file("load.lua") }

// keys returns n keys of 16 bytes whose entries live in the range.
func (l *load) keys(n int, at *layout.Range) []string {
	var out []string
	for i := 0; len(out) < n; i++ {
		if key := fmt.Sprintf("key-%012d", i); at == nil || at.Contains(l.secret.KeySlot(key)) {
			out = append(out, key)
		}
	}
	return out
}

// filler is what all values of a size begin with.
func filler(size int) []byte {
	b := make([]byte, size-endSize)
	rand.NewChaCha8([32]byte{}).Read(b) //nolint:errcheck // it never fails
	return b
}

// ends returns the ends of n values of a size that were never used before and that
// live in the range.
func (l *load) ends(n, size int, at *layout.Range) ([]byte, error) {
	h := l.hmac()
	h.Write(filler(size))
	begun, ok := h.(hash.Cloner)
	if !ok {
		return nil, errors.New("this HMAC cannot be cloned")
	}
	out := make([]byte, 0, n*endSize)
	for len(out) < n*endSize {
		end := fmt.Appendf(nil, "%016x", l.next)
		l.next++
		if at != nil {
			c, err := begun.Clone()
			if err != nil {
				return nil, err
			}
			c.Write(end)
			if !at.Contains(c.Sum(nil)[0]) {
				continue
			}
		}
		out = append(out, end...)
	}
	return out, nil
}

// fill puts a value under each key, as many values as there are keys.
func (l *load) fill(ctx context.Context, t *target, keys []string, size int) error {
	ends, err := l.ends(len(keys), size, t.at)
	if err != nil {
		return err
	}
	head := filler(size)
	for i, key := range keys {
		body := io.MultiReader(bytes.NewReader(head), bytes.NewReader(ends[i*endSize:][:endSize]))
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, t.url+"/"+key, body)
		if err != nil {
			return err
		}
		req.ContentLength = int64(size)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s: PUT of %s: %s", t.name, key, resp.Status)
		}
	}
	return nil
}

// run is what wrk says of one run.
type run struct {
	Microseconds int64 `json:"us"`
	Requests     int64 `json:"requests"`
	Bytes        int64 `json:"bytes"` // read
	Status       int64 `json:"status"`
	Socket       int64 `json:"socket"`
	Timeout      int64 `json:"timeout"`
	P50          int64 `json:"p50us"`
	P99          int64 `json:"p99us"`
}

func (r *run) rate() float64 { return float64(r.Requests) * 1e6 / float64(r.Microseconds) }

// valuesPerSecond is more than any run puts; if it were not, values would come twice.
func valuesPerSecond(size int) int { return max(2000, min(150_000, 1<<33/size)) }

// prepare writes the files of a row's load for a target: they have keys that live where
// the target's are to live.
func (l *load) prepare(ctx context.Context, w *row, t *target) error {
	keys := l.keys(w.keys(), t.at)
	paths := "/" + strings.Join(keys, "\n/") + "\n"
	err := errors.Join(
		os.WriteFile(l.file(t.name+".paths"), []byte(paths), 0o600),
		os.WriteFile(l.file("filler"), filler(w.size), 0o600))
	if err != nil {
		return err
	}
	return l.fill(ctx, t, keys, w.size)
}

// wrk loads a target for so many seconds.
func (l *load) wrk(ctx context.Context, w *row, t *target, seconds int) (*run, error) {
	values := valuesPerSecond(w.size) * seconds
	if w.op == http.MethodPut {
		if w.equal {
			values = 1
		}
		ends, err := l.ends(values, w.size, t.at)
		if err == nil {
			err = os.WriteFile(l.file("ends"), ends, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	out, err := output(ctx, "wrk", "-t", "1", "-c", strconv.Itoa(w.conns), "-d", strconv.Itoa(seconds)+"s", "--timeout", "5s",
		"-s", l.script(), t.url, "--", w.op, l.file(t.name+".paths"), l.file("filler"), l.file("ends"))
	if err != nil {
		return nil, err
	}
	_, summary, ok := strings.Cut(out, "SUMMARY ")
	r := &run{}
	if err := json.NewDecoder(strings.NewReader(summary)).Decode(r); !ok || err != nil {
		return nil, fmt.Errorf("wrk said: %s", out)
	}
	if err := r.check(w, values); err != nil {
		return nil, fmt.Errorf("%w; errors since the start: %s", err, t.troubles(ctx))
	}
	return r, nil
}

// check tells whether the run measured what it should.
func (r *run) check(w *row, values int) error {
	switch sent := r.Requests + int64(w.conns); {
	case r.Status > 0 || r.Socket > 0 || r.Timeout > 0:
		return fmt.Errorf("of %d answers %d were errors; %d socket errors, %d timeouts", r.Requests, r.Status, r.Socket, r.Timeout)
	case r.Requests == 0:
		return errors.New("no answer")
	case w.op == http.MethodGet && r.Bytes < r.Requests*int64(w.size):
		return fmt.Errorf("%d answers have only %d bytes", r.Requests, r.Bytes)
	case w.op == http.MethodPut && !w.equal && sent > int64(values):
		return fmt.Errorf("%d values were not enough for %d requests", values, sent)
	}
	return nil
}

// hashRate is how many values of a size one core hashes in a second.
func (l *load) hashRate(size int) float64 {
	h, value := l.hmac(), make([]byte, size)
	began := time.Now()
	for n := 1; ; n++ {
		h.Reset()
		h.Write(value)
		h.Sum(nil)
		if took := time.Since(began); took > 100*time.Millisecond {
			return float64(n) / took.Seconds()
		}
	}
}

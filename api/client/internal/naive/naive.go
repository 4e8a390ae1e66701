// Package naive is the REST interface in its simplest form, over one map, for tests of
// what speaks it.
package naive

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/eiri/seppen/api/uid"
)

// Limit is the largest value in bytes.
const Limit = 64 << 20

// Store answers as a node does.
type Store struct {
	secret *uid.Secret

	mu     sync.Mutex
	values map[string]value
	asked  []string
	faults []Fault
}

type value struct {
	data     []byte
	etag     string
	kind     string
	modified time.Time
}

// Fault answers one request instead of the store if it returns true.
type Fault func(http.ResponseWriter, *http.Request) bool

// Status is a fault that answers with a status and a reason.
func Status(status int, reason string) Fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if status == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "0")
		}
		http.Error(w, reason, status)
		return true
	}
}

// Drop is a fault that reads the request and breaks the connection.
func Drop(_ http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	panic(http.ErrAbortHandler)
}

// New returns an empty store under the secret "snowflake".
func New() *Store {
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		panic(err)
	}
	return &Store{secret: secret, values: map[string]value{}}
}

// Next makes the coming requests meet these faults, one each.
func (s *Store) Next(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// Asked returns the method and the undecoded URI of each request so far and forgets them.
func (s *Store) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// Set stores a value and returns its ETag.
func (s *Store) Set(key, data, kind string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := value{
		data: []byte(data), etag: s.secret.Sum([]byte(data)).ETag(), kind: kind,
		modified: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}
	s.values[key] = v
	return v.etag
}

// Value returns what is stored under a key.
func (s *Store) Value(key string) (data, kind string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	return string(v.data), v.kind, ok
}

// ServeHTTP implements http.Handler.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if fault := s.note(r); fault != nil && fault(w, r) {
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case len(key) > 4096:
		http.Error(w, "the key is too long", http.StatusRequestURITooLong)
	case key == "" && r.Method == http.MethodGet:
		s.list(w, r)
	case key == "":
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		s.get(w, key)
	case r.Method == http.MethodPut:
		s.put(w, r, key)
	case r.Method == http.MethodDelete:
		s.remove(w, r, key)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *Store) note(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.RequestURI)
	if len(s.faults) == 0 {
		return nil
	}
	fault := s.faults[0]
	s.faults = s.faults[1:]
	return fault
}

func (s *Store) get(w http.ResponseWriter, key string) {
	s.mu.Lock()
	v, ok := s.values[key]
	s.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("ETag", v.etag)
	h.Set("Content-Type", v.kind)
	h.Set("Content-Length", strconv.Itoa(len(v.data)))
	h.Set("Last-Modified", v.modified.Format(http.TimeFormat))
	_, _ = w.Write(v.data) // dropped by net/http for HEAD
}

func (s *Store) put(w http.ResponseWriter, r *http.Request, key string) {
	if r.ContentLength > Limit {
		http.Error(w, "a value has at most 67108864 bytes", http.StatusRequestEntityTooLarge)
		return
	}
	if !s.allow(w, r, key) {
		return
	}
	data, err := io.ReadAll(http.MaxBytesReader(httptest.NewRecorder(), r.Body, Limit))
	if err != nil {
		return // cut short: nothing is stored
	}
	kind := r.Header.Get("Content-Type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	_, _, replaced := s.Value(key)
	w.Header().Set("ETag", s.Set(key, string(data), kind))
	if replaced {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.WriteHeader(http.StatusCreated)
	}
}

func (s *Store) remove(w http.ResponseWriter, r *http.Request, key string) {
	if !s.allow(w, r, key) {
		return
	}
	s.mu.Lock()
	_, ok := s.values[key]
	delete(s.values, key)
	s.mu.Unlock()
	if ok {
		w.WriteHeader(http.StatusNoContent)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Store) allow(w http.ResponseWriter, r *http.Request, key string) bool {
	s.mu.Lock()
	v, ok := s.values[key]
	s.mu.Unlock()
	has := func(header string) bool {
		return ok && (header == "*" || strings.Contains(header, v.etag))
	}
	match, none := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	if match != "" && !has(match) || none != "" && has(none) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return false
	}
	return true
}

func (s *Store) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.values {
		if strings.HasPrefix(key, q.Get("prefix")) && key > q.Get("after") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	if r.Header.Get("Accept") != "application/json" {
		_, _ = io.WriteString(w, strings.Join(keys, "\n"))
		return
	}
	out := json.NewEncoder(w)
	for _, key := range keys {
		v := s.values[key]
		line := map[string]any{"etag": v.etag, "size": len(v.data), "type": v.kind, "modified": v.modified.Format(time.RFC3339Nano)}
		if utf8.ValidString(key) {
			line["key"] = key
		} else {
			line["key64"] = []byte(key)
		}
		_ = out.Encode(line)
	}
}

// Package rest serves a kv.Backend to clients over HTTP/1.1:
//
//	GET /                    lists the keys
//	GET HEAD PUT DELETE /key  one value
//
// Every byte string of 1 to kv.MaxKey bytes is a key; the path after the first
// slash, percent-decoded once, is the key. docs/rest.md is the reference for users
// and openapi.yaml the same for programs.
package rest

import (
	"cmp"
	"log/slog"
	"net/http"
	"time"

	"github.com/julienschmidt/httprouter"

	"github.com/eiri/seppen/node/kv"
)

// Options are the limits of the REST interface. The zero value is usable.
type Options struct {
	// MaxValue is the largest value in bytes, 64 MiB if zero.
	MaxValue int64
	// BodyTimeout is how long a client may take to send each 64 KiB of a value, and half of
	// how long to take each MiB of a value or a list, 30 s if zero.
	BodyTimeout time.Duration
	// MaxConns is how many connections Listener has open at a time, 4096 if zero.
	// Each costs some 20 KiB, and 64 KiB more while it sends a value.
	MaxConns int
	// Log is for what is not the client's fault; slog.Default() if nil.
	Log *slog.Logger
	// Metrics counts requests if it is not nil.
	Metrics *Metrics
	// Closing tells whether clients are asked to close their connections after each answer:
	// the next one they open goes elsewhere. Nil: never.
	Closing func() bool
}

func (o Options) withDefaults() Options {
	o.MaxValue = cmp.Or(o.MaxValue, 64<<20)
	o.BodyTimeout = cmp.Or(o.BodyTimeout, 30*time.Second)
	o.MaxConns = cmp.Or(o.MaxConns, 4096)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Closing == nil {
		o.Closing = func() bool { return false }
	}
	return o
}

type handler struct {
	backend kv.Backend
	opt     Options
	router  httprouter.Router
}

// New returns the handler of the REST interface. It must not be wrapped in anything
// that cleans paths, such as http.ServeMux: "a//b" and "a/b" are two keys.
func New(backend kv.Backend, opt Options) http.Handler {
	h := &handler{backend: backend, opt: opt.withDefaults()}
	// The literal and not httprouter.New, whose redirects would send a request for
	// the key "foo/" to "foo".
	h.router = httprouter.Router{
		HandleMethodNotAllowed: true,
		MethodNotAllowed:       http.HandlerFunc(h.methodNotAllowed),
	}
	h.router.GET("/*key", route(h.list, h.get))
	h.router.HEAD("/*key", route(h.listHead, h.head))
	h.router.PUT("/*key", route(notAllowedAtRoot, h.put))
	h.router.DELETE("/*key", route(notAllowedAtRoot, h.remove))
	return h
}

// ServeHTTP gives the request to the router, and to the answer's end whatever comes
// out of it.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := h.begin(w, r)
	defer a.end()
	switch path := r.URL.Path; {
	case path != "" && path[0] == '/':
		h.router.ServeHTTP(a, r)
	case r.Method == http.MethodConnect:
		a.empty405(allowRoot)
	case path == "" && r.URL.Opaque == "":
		r.URL.Path = "/" // "GET http://host": the absolute form without a path (RFC 9112, section 3.2.2)
		h.router.ServeHTTP(a, r)
	default:
		a.refuse(http.StatusBadRequest, "the request target has no path")
	}
	a.linger()
}

// route tells the list from the keys and lets no request pass that does not name a
// key as its client meant it.
func route(root func(*answer, *http.Request), one func(*answer, *http.Request, string)) httprouter.Handle {
	return func(w http.ResponseWriter, r *http.Request, ps httprouter.Params) {
		a := w.(*answer)
		key := ps[0].Value[1:] // the router's value begins with the slash
		switch {
		case key == "":
			root(a, r)
		case r.URL.RawQuery != "" || r.URL.ForceQuery:
			// Without the query the key would silently lose its tail.
			a.refuse(http.StatusBadRequest, `a key has no query; write a "?" that belongs to the key as %3F`)
		case len(key) > kv.MaxKey:
			a.refuse(http.StatusRequestURITooLong, "the key is longer than 4096 bytes")
		default:
			one(a, r, key)
		}
	}
}

const (
	allowRoot = "GET, HEAD"
	allowKey  = "GET, HEAD, PUT, DELETE"
)

func notAllowedAtRoot(a *answer, _ *http.Request) { a.empty405(allowRoot) }

// methodNotAllowed replaces the router's Allow, which knows neither that the list is
// read-only nor that OPTIONS is off.
func (h *handler) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	allow := allowKey
	if r.URL.Path == "/" {
		allow = allowRoot
	}
	w.(*answer).empty405(allow)
}

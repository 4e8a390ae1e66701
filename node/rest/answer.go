package rest

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

// answer is a request's way out: the ResponseWriter together with what has been
// written to it, which metrics and error handling need to know. It is pooled, as it
// is on the path of every request.
type answer struct {
	http.ResponseWriter
	h      *handler
	r      *http.Request
	in     bodyReader
	op     op
	start  time.Time
	status int   // 0: no header has been written
	sent   int64 // bytes of bodies
	window int   // bytes left of the piece that the deadline is for
	closes bool  // the connection ends with this answer, and the request's body was not read
}

var answers = sync.Pool{New: func() any { return new(answer) }}

func (h *handler) begin(w http.ResponseWriter, r *http.Request) *answer {
	a := answers.Get().(*answer)
	*a = answer{ResponseWriter: w, h: h, r: r, op: opOf(r), start: time.Now(), window: sendPiece}
	w.Header()["Date"] = dates.at(a.start)
	if h.opt.Closing() {
		w.Header()["Connection"] = headerClose
	}
	if m := h.opt.Metrics; m != nil {
		m.inFlight.Add(1)
	}
	return a
}

// end is deferred once for each request. It is the panic handler too.
func (a *answer) end() {
	problem := recover()
	if problem != nil && problem != http.ErrAbortHandler { //nolint:errorlint // net/http compares it as well
		a.h.opt.Log.Error("request panicked", "method", a.r.Method, "panic", problem, "stack", stack())
		if a.status == 0 {
			a.refuse(http.StatusInternalServerError, "internal error")
			problem = nil
		} else {
			problem = http.ErrAbortHandler
		}
	}
	if m := a.h.opt.Metrics; m != nil {
		m.observe(a, problem != nil)
	}
	*a = answer{}
	answers.Put(a)
	if problem != nil {
		panic(problem)
	}
}

// WriteHeader notes the status. A refusal that leaves more of the request's body
// than is worth reading ends the connection.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
		if status >= http.StatusBadRequest && a.bodyRemains() {
			a.closes = true
			a.Header()["Connection"] = headerClose
		}
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	n, err := a.ResponseWriter.Write(p)
	a.sent += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// extendRead gives the client BodyTimeout more to send.
func (a *answer) extendRead() {
	a.extendWrite()
	rc := http.NewResponseController(a.ResponseWriter)
	rc.SetReadDeadline(time.Now().Add(a.h.opt.BodyTimeout)) //nolint:errcheck // a writer without deadlines is a test's
}

// extendSend gives the client more time to take what is sent. The deadline for reading
// moves as well: net/http reads in the background, and cancels the contexts of the
// connection's requests when that fails.
func (a *answer) extendSend() {
	a.extendWrite()
	rc := http.NewResponseController(a.ResponseWriter)
	rc.SetReadDeadline(time.Now().Add(sendTimeouts * a.h.opt.BodyTimeout)) //nolint:errcheck // as above
}

func (a *answer) extendWrite() {
	rc := http.NewResponseController(a.ResponseWriter)
	rc.SetWriteDeadline(time.Now().Add(sendTimeouts * a.h.opt.BodyTimeout)) //nolint:errcheck // likewise
}

// extendIfLate makes up for the time that the client or the backend took so far,
// which shall not be missing for the answer.
func (a *answer) extendIfLate() {
	if time.Since(a.start) > a.h.opt.BodyTimeout/4 {
		a.extendSend()
	}
}

// abort ends an answer that has begun and cannot be completed so that the client
// can tell.
func (a *answer) abort() {
	if !a.r.ProtoAtLeast(1, 1) {
		reset(a.ResponseWriter)
	}
	panic(http.ErrAbortHandler)
}

const (
	// maxDiscard is what net/http itself reads of a body that nobody wanted.
	maxDiscard = 256 << 10
	// lingerTime is how long a client that was refused may go on to send.
	lingerTime = 2 * time.Second
)

// bodyRemains tells whether net/http would have to close the connection, or not
// know, because of the rest of the request's body.
func (a *answer) bodyRemains() bool {
	size := a.r.ContentLength
	if a.in.over || size == 0 {
		return false
	}
	return size < 0 || size-a.in.n > maxDiscard || a.in.n == 0 && a.r.Header["Expect"] != nil
}

// linger reads on for a moment after a refusal: a client that sends its whole body
// before it reads shall see the answer and not a connection reset. One that awaits
// the 100 closes, which is read as the end.
func (a *answer) linger() {
	if !a.closes {
		return
	}
	rc := http.NewResponseController(a.ResponseWriter)
	if err := errors.Join(rc.Flush(), rc.SetReadDeadline(time.Now().Add(lingerTime))); err != nil {
		return
	}
	discard(a.r.Body)
}

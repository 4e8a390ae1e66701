package rest

import (
	"net/http"
	"strconv"

	"github.com/eiri/seppen/node/kv"
)

// get answers with the value. Without conditions the entry and the value come with
// one look-up; with them the value is not fetched before it is known to be needed.
func (h *handler) get(a *answer, r *http.Request, key string) {
	cond, err := readConditionsOf(r.Header)
	if err != nil {
		a.refuse(http.StatusBadRequest, err.Error())
		return
	}
	if cond.given() && !h.meets(a, r, key, &cond) {
		return
	}
	e, v, err := h.backend.Lookup(r.Context(), key, true)
	if err != nil {
		a.fail(err)
		return
	}
	defer v.Close()
	// Again, as this may be another entry than the one that met them.
	if status := cond.check(&e); status != 0 {
		a.unmet(status, &e)
		return
	}
	a.sendValue(r, &e, v)
}

func (h *handler) head(a *answer, r *http.Request, key string) {
	cond, err := readConditionsOf(r.Header)
	if err != nil {
		a.refuse(http.StatusBadRequest, err.Error())
		return
	}
	e, _, err := h.backend.Lookup(r.Context(), key, false)
	if err != nil {
		a.fail(err)
		return
	}
	if status := cond.check(&e); status != 0 {
		a.unmet(status, &e)
		return
	}
	setRepresentation(a.Header(), &e, e.Size)
	a.WriteHeader(http.StatusOK)
}

// meets tells whether the key's entry meets the conditions; if not, the answer has
// been given.
func (h *handler) meets(a *answer, r *http.Request, key string, cond *readConditions) bool {
	e, _, err := h.backend.Lookup(r.Context(), key, false)
	if err != nil {
		a.fail(err)
		return false
	}
	if status := cond.check(&e); status != 0 {
		a.unmet(status, &e)
		return false
	}
	return true
}

func (a *answer) sendValue(r *http.Request, e *kv.Entry, v kv.Value) {
	size := v.Size()
	part, status := span{0, size}, http.StatusOK
	if _, once := v.(kv.WholeOnly); !once && r.Header["Range"] != nil {
		part, status = spanOf(r.Header, e, size)
	}
	if status == http.StatusRequestedRangeNotSatisfiable {
		a.Header()["Content-Range"] = []string{"bytes */" + strconv.FormatInt(size, 10)}
		a.refuse(status, "no such bytes in the value")
		return
	}
	var chunk []byte
	if part.size() > 0 {
		var err error
		if chunk, err = v.Chunk(part.from); err != nil { // while it can still be said
			a.fail(err)
			return
		}
	}
	head := a.Header()
	setRepresentation(head, e, part.size())
	if status == http.StatusPartialContent {
		head["Content-Range"] = []string{part.contentRange(size)}
	}
	a.WriteHeader(status)
	if part.size() > 0 {
		a.writeValue(v, part, chunk)
	}
}

// writeValue writes a part of the value, of which chunk is the beginning.
func (a *answer) writeValue(v kv.Value, part span, chunk []byte) {
	for {
		chunk = chunk[:min(int64(len(chunk)), part.size())]
		if !a.writePieces(chunk) {
			return // the client is gone
		}
		if part.from += int64(len(chunk)); part.from == part.to {
			return
		}
		var err error
		if chunk, err = v.Chunk(part.from); err != nil {
			a.h.opt.Log.Warn("value broke off", "error", err)
			a.abort()
		}
	}
}

// writePieces writes p, and moves the deadline with each piece but the first, which
// has the server's.
func (a *answer) writePieces(p []byte) bool {
	for len(p) > 0 {
		if a.window == 0 {
			a.extendSend()
			a.window = sendPiece
		}
		n, err := a.Write(p[:min(len(p), a.window)])
		if err != nil {
			return false
		}
		a.window -= n
		p = p[n:]
	}
	return true
}

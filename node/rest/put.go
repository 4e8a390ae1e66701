package rest

import (
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/eiri/seppen/node/kv"
)

func (h *handler) put(a *answer, r *http.Request, key string) {
	contentType, fault := contentTypeOf(r.Header)
	cond, err := writeConditionsOf(r.Header)
	switch {
	case fault != "":
		a.refuse(http.StatusBadRequest, fault)
		return
	case err != nil:
		a.refuse(http.StatusBadRequest, err.Error())
		return
	case r.ContentLength > h.opt.MaxValue:
		a.tooLarge()
		return
	case h.hopeless(r, key, &cond):
		a.empty(http.StatusPreconditionFailed)
		return
	}
	body, err := h.backend.NewBody(r.Context(), r.ContentLength)
	if err != nil {
		a.fail(err)
		return
	}
	defer body.Discard()
	if !a.receive(body) {
		return
	}
	e, created, err := h.backend.Put(r.Context(), key, contentType, body, cond)
	if err != nil {
		a.failWrite(err)
		return
	}
	setValidators(a.Header(), &e, -1)
	if created {
		a.Header()["Content-Length"] = headerZero
		a.WriteHeader(http.StatusCreated)
	} else {
		a.WriteHeader(http.StatusNoContent)
	}
}

func (h *handler) remove(a *answer, r *http.Request, key string) {
	cond, err := writeConditionsOf(r.Header)
	if err != nil {
		a.refuse(http.StatusBadRequest, err.Error())
		return
	}
	if err := h.backend.Delete(r.Context(), key, cond); err != nil {
		a.failWrite(err)
		return
	}
	a.WriteHeader(http.StatusNoContent)
}

// contentTypeOf returns the type to keep with the value, or what is wrong with the
// headers that say what the body is.
func contentTypeOf(head http.Header) (contentType, fault string) {
	if head["Content-Range"] != nil { // RFC 9110, section 14.5
		return "", "a value is put as a whole: Content-Range is not supported"
	}
	for _, coding := range head["Content-Encoding"] {
		// It is not kept, so that a reader could not know how to undo it.
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return "", "Content-Encoding is not kept with a value: name the coding in its Content-Type"
		}
	}
	lines := head["Content-Type"]
	switch {
	case len(lines) == 0:
		return "", ""
	case len(lines) > 1:
		return "", "more than one Content-Type"
	case len(lines[0]) > kv.MaxContentType:
		return "", "Content-Type is longer than 255 bytes"
	case !validFieldValue(lines[0]):
		return "", "Content-Type has bytes that a header cannot carry"
	}
	return lines[0], ""
}

// validFieldValue tells whether the text can be sent in a header again (RFC 9110,
// section 5.5).
func validFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// hopeless tells early that the conditions do not hold, if that saves the client
// from sending much. The backend decides the rest, together with the write.
func (h *handler) hopeless(r *http.Request, key string, cond *kv.Conditions) bool {
	if !cond.Match.Given && !cond.NoMatch.Given && !cond.HasUnmodified {
		return false
	}
	if r.ContentLength >= 0 && r.ContentLength <= piece && r.Header["Expect"] == nil {
		return false
	}
	e, _, err := h.backend.Lookup(r.Context(), key, false)
	if errors.Is(err, kv.ErrNotFound) {
		return !cond.Allow(nil)
	}
	return err == nil && !cond.Allow(&e)
}

// receive reads the request's body into the value's. If it returns false, the
// refusal has been answered.
func (a *answer) receive(body kv.Body) bool {
	a.in.init(a)
	err := a.in.copyTo(body)
	if err == nil {
		a.extendIfLate()
		return true
	}
	a.extendWrite() // but not the time to read: what is late shall not be waited for again
	switch cause := a.in.err; {
	case cause == nil || errors.Is(cause, kv.ErrTooLarge):
		a.fail(err)
	case errors.Is(cause, os.ErrDeadlineExceeded):
		a.refuse(http.StatusRequestTimeout, "the body did not come in time")
	default:
		a.refuse(http.StatusBadRequest, "the body was cut short or is malformed")
	}
	return false
}

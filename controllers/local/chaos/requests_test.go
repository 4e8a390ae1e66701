package chaos

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// giveUp is how long a client waits for an answer, and patient how long most wait for that
// to a write: longer than a node does, so that not too much is unknown to be judged.
const (
	giveUp  = 1500 * time.Millisecond
	patient = 7 * time.Second
)

// answer is what a client hears of one request.
type answer struct {
	output
	definite bool // it was executed just so, or, if it is a read, it is true
	executed bool // it may have been executed
}

// ask makes a request and understands the answer. A HEAD is a GET here, by chance.
func (h *history) ask(client, node int, in input, body []byte) (a answer, text string) {
	method, limit := in.method, giveUp
	switch {
	case method == "GET" && rand.IntN(4) == 0:
		method = "HEAD"
	case method != "GET" && client != prober && rand.IntN(8) > 0:
		limit = patient
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+h.c.rest(node)+"/"+in.key, bytes.NewReader(body))
	if err != nil {
		h.t.Error(err)
		return a, ""
	}
	switch {
	case in.match != 0:
		req.Header.Set("If-Match", h.values.uid(in.match).ETag())
	case in.noMatch:
		req.Header.Set("If-None-Match", "*")
	}
	res, err := h.c.http.Do(req)
	var got []byte
	if err == nil {
		got, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err != nil {
		var failed *net.OpError
		dialling := errors.As(err, &failed) && failed.Op == "dial"
		return answer{executed: !dialling}, "no answer"
	}
	return h.understand(in, method, res, got)
}

func (h *history) understand(in input, method string, res *http.Response, got []byte) (a answer, text string) {
	a = answer{output: output{status: res.StatusCode}, definite: true, executed: true}
	switch text = strconv.Itoa(res.StatusCode); res.StatusCode {
	case http.StatusOK:
		etag := res.Header.Get("ETag")
		a.value = h.values.numbered(etag)
		switch {
		case in.method != "GET" || a.value == 0:
			h.t.Errorf("%s %s: %d %s, which nobody wrote", method, in.key, res.StatusCode, etag)
		case method == "GET" && secret.Sum(got).ETag() != etag:
			h.t.Errorf("GET %s: %d bytes that are not those of %s", in.key, len(got), etag)
		}
	case http.StatusCreated, http.StatusNoContent:
		if in.method == "PUT" && res.Header.Get("ETag") != h.values.uid(in.value).ETag() {
			h.t.Errorf("%v: ETag %s", in, res.Header.Get("ETag"))
		}
	case http.StatusNotFound, http.StatusPreconditionFailed:
	case http.StatusServiceUnavailable:
		a.definite, a.executed = false, false
		text += " " + res.Header.Get("Seppen-Reason")
		if res.Header.Get("Retry-After") == "" || method != "HEAD" && len(got) == 0 {
			h.t.Errorf("%v: 503 without Retry-After or a reason", in)
		}
	case http.StatusGatewayTimeout:
		a.definite = false
	default:
		h.t.Errorf("%v: %d %s", in, res.StatusCode, got)
	}
	return a, text
}

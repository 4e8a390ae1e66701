package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"sync/atomic"
	"time"
)

// request is one request that may be sent several times.
type request struct {
	op     string
	method string
	url    string
	header http.Header
	body   io.Reader // nil: none
	size   int64     // of the body; -1: unknown
	write  bool
}

// expectAbove is the size of a body above which the server is asked before it is sent.
const expectAbove = 1 << 20

// do sends a request until it gets an answer other than 503, at most c.retries times
// more. Only 503 is tried again: it says that nothing was executed. The answer's body
// must be closed; every status that is not among ok is an error.
func (c *Client) do(ctx context.Context, r *request, ok ...int) (*answer, error) {
	rewind := rewinder(r.body)
	for attempt := 0; ; attempt++ {
		a, up, err := c.once(ctx, r, ok)
		var refused *Error
		if err == nil || attempt >= c.retries ||
			!errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable {
			return a, err
		}
		if touched, _ := up.finish(); touched && !rewind(up) {
			return nil, err
		}
		if !c.wait(ctx, delay(attempt, refused.RetryAfter)) {
			return nil, err
		}
	}
}

// rewinder returns what makes a body ready to be sent again, false if it cannot be.
func rewinder(body io.Reader) func(*upload) bool {
	seeker, ok := body.(io.Seeker)
	if !ok {
		return func(*upload) bool { return false }
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	return func(up *upload) bool {
		if err != nil { // it says it can seek but cannot, such as a pipe
			return false
		}
		up.wait()
		_, err := seeker.Seek(start, io.SeekStart)
		return err == nil
	}
}

// delay is how long to wait before trying again: what the server asks for, within
// reason, else about 100 ms, doubled each time.
func delay(attempt int, asked time.Duration) time.Duration {
	const least, most = 100 * time.Millisecond, 10 * time.Second
	d := asked
	if d == 0 {
		d = least << attempt
	}
	d = min(d, most)
	return d + rand.N(d/4+1) // so that many clients do not come back as one
}

// wait returns false if ctx ends before it would be over.
func wait(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// once sends a request once.
func (c *Client) once(ctx context.Context, r *request, ok []int) (*answer, *upload, error) {
	var connected atomic.Bool
	rctx, idle := newIdle(ctx, c.idle)
	rctx = httptrace.WithClientTrace(rctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	up := &upload{Reader: r.body, idle: idle}
	hr, err := http.NewRequestWithContext(rctx, r.method, r.url, nil)
	if err != nil {
		idle.close()
		return nil, up, &Error{Op: r.op, Err: err}
	}
	hr.Header = r.header.Clone()
	if r.body != nil {
		setBody(hr, up, r.size)
	}
	idle.start()
	resp, err := c.http.Do(hr)
	_, bodyErr := up.finish()
	if err != nil {
		defer idle.close()
		return nil, up, r.failed(rctx, err, bodyErr, connected.Load())
	}
	body := &download{body: resp.Body, idle: idle, ctx: rctx, op: r.op, size: resp.ContentLength}
	resp.Body = body
	if slices.Contains(ok, resp.StatusCode) {
		return &answer{Response: resp, body: body}, up, nil
	}
	defer resp.Body.Close()
	return nil, up, refusal(r.op, resp, r.write)
}

func setBody(hr *http.Request, up *upload, size int64) {
	if size == 0 {
		hr.Body = http.NoBody
		return
	}
	hr.Body, hr.ContentLength = up, size
	if size < 0 || size > expectAbove {
		hr.Header.Set("Expect", "100-continue")
	}
}

// failed says what no answer means.
func (r *request) failed(ctx context.Context, err, bodyErr error, connected bool) error {
	e := &Error{Op: r.op, Err: cause(ctx, err)}
	switch {
	case bodyErr != nil:
		// Our own body was cut short, and a body cut short stores nothing.
		e.Err = bodyErr
		e.Reason = "reading the value"
	case r.write && connected:
		e.Kind = ErrUnknown
	case !errors.Is(e.Err, context.Canceled):
		e.Kind = ErrUnavailable
	}
	return e
}

// cause is why the context ended, if it did, else the error without the method and
// address that net/http puts before it.
func cause(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil {
		switch why := context.Cause(ctx); {
		case errors.Is(why, ErrTimeout):
			return why
		case errors.Is(why, ended):
			return ended
		default: // a signal, for example
			return fmt.Errorf("%w: %w", ended, why)
		}
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// answer is a response whose body is watched.
type answer struct {
	*http.Response
	body io.ReadCloser
}

// finish reads what little may be left of an answer without a body, so that the
// connection can be used again.
func (a *answer) finish() {
	_, _ = io.CopyN(io.Discard, a.body, 512)
	a.body.Close()
}

// download is an answer's body.
type download struct {
	body io.ReadCloser
	idle *idle
	ctx  context.Context
	op   string
	size int64 // -1: unknown
	read int64
}

// Read says how much of the body is missing if it is cut short.
func (d *download) Read(p []byte) (int, error) {
	d.idle.start()
	n, err := d.body.Read(p)
	d.idle.stop()
	d.read += int64(n)
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	e := &Error{Op: d.op, Err: cause(d.ctx, err)}
	if d.size >= 0 {
		e.Reason = cutShort(d.read, d.size)
	} else {
		e.Reason = "the answer was cut short"
	}
	return n, e
}

// Close ends the request, whether or not the body was read to its end.
func (d *download) Close() error {
	err := d.body.Close()
	d.idle.close()
	return err
}

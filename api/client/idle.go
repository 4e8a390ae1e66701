package client

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// idle ends a request when the other side does nothing for a while. It runs only while
// the network is waited for: neither a slow producer of a body nor a slow consumer is
// the server's fault.
type idle struct {
	limit  time.Duration // 0: never
	cancel context.CancelCauseFunc
	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

func newIdle(ctx context.Context, limit time.Duration) (context.Context, *idle) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &idle{limit: limit, cancel: cancel}
}

func (i *idle) start() {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.limit <= 0 || i.closed:
	case i.timer == nil:
		i.timer = time.AfterFunc(i.limit, func() { i.cancel(ErrTimeout) })
	default:
		i.timer.Reset(i.limit)
	}
}

func (i *idle) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.timer != nil {
		i.timer.Stop()
	}
}

// close frees the timer and the context. The request is over.
func (i *idle) close() {
	i.stop()
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	i.cancel(context.Canceled)
}

// errAnswered ends the reading of a body that nobody waits for any more. It is not
// io.EOF: that would make a whole value of a part.
var errAnswered = errors.New("the request is over")

// upload is a request's body. It remembers how reading went.
type upload struct {
	io.Reader
	idle    *idle
	reading sync.Mutex // held while the reader is read

	mu      sync.Mutex
	touched bool
	over    bool
	err     error // of the reader itself, not io.EOF
}

func (u *upload) Read(p []byte) (int, error) {
	u.reading.Lock()
	defer u.reading.Unlock()
	if !u.touch() {
		return 0, errAnswered
	}
	u.idle.stop()
	n, err := u.Reader.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	if !u.over {
		u.idle.start()
	}
	return n, err
}

func (u *upload) touch() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.touched = u.touched || !u.over
	return !u.over
}

// Close keeps the transport from closing what belongs to the caller.
func (u *upload) Close() error { return nil }

// finish lets no new Read begin and tells how reading went.
func (u *upload) finish() (touched bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	u.idle.stop()
	return u.touched, u.err
}

// wait waits for the end of a Read that finish found under way.
func (u *upload) wait() {
	u.reading.Lock()
	defer u.reading.Unlock()
}

package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
)

var (
	// ErrBroken: the connection broke while a request was under way. Whether the other
	// side executed it is unknown.
	ErrBroken = errors.New("connection to peer broke")
	// ErrTimeout: no reply in time. Whether the request was executed is unknown.
	ErrTimeout = errors.New("no reply from peer in time")
	// ErrNotSent: the request never left, so it was not executed.
	ErrNotSent = errors.New("peer not reachable")
)

const (
	readBuffer = 32 << 10
	// tick is how often a connection looks for overdue calls.
	tick = 100 * time.Millisecond
	// silence is for how many ticks a peer that owes replies may say nothing at all, not
	// even to a ping, before the connection is given up. Ticks are counted, not time: if
	// this process itself stood still, that is not the peer's silence.
	silence = 25
)

// Dialer opens connections to peer ports.
type Dialer struct {
	Key  []byte       // uid.Secret.PeerKey
	Self func() Hello // who we are now
	TLS  *tls.Config  // nil: without TLS
}

// dial connects, shakes hands and returns the connection. A want of zero takes
// whichever incarnation answers.
func (d *Dialer) dial(ctx context.Context, address string, want layout.ID, kind Kind) (net.Conn, Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, Hello{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	if d.TLS != nil {
		nc = tls.Client(nc, tlsFor(d.TLS, address))
	}
	deadline, _ := ctx.Deadline()
	err = nc.SetDeadline(deadline)
	var them Hello
	if err == nil {
		them, err = greet(nc, d.Key, &clientHello{Hello: d.Self(), want: want, kind: kind})
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		nc.Close()
		return nil, them, fmt.Errorf("%w: handshake with %s: %w", ErrNotSent, address, err)
	}
	return nc, them, nil
}

func tlsFor(c *tls.Config, address string) *tls.Config {
	if c.ServerName != "" || c.InsecureSkipVerify {
		return c
	}
	c = c.Clone()
	c.ServerName, _, _ = net.SplitHostPort(address)
	return c
}

// Conn carries many requests at a time to one incarnation of a node.
type Conn struct {
	nc     net.Conn
	w      *writer
	remote Hello

	mu     sync.Mutex
	calls  map[uint32]*call
	nextID uint32
	idle   bool  // the watch sleeps until the next call
	err    error // set once the connection is of no use

	heard atomic.Int64  // when a reply last came, by monotonic; 0: never
	clock atomic.Uint64 // the peer's clock in that reply
	wake  chan struct{} // a call begins while the watch sleeps
	done  chan struct{}
}

type call struct {
	reply    chan Reply
	deadline int64
}

// Reply is the answer to one request.
type Reply struct {
	Code    Code
	Payload []byte // the caller's to keep
	err     error
}

// Dial opens a Conn.
func (d *Dialer) Dial(ctx context.Context, address string, want layout.ID) (*Conn, error) {
	nc, them, err := d.dial(ctx, address, want, Calls)
	if err != nil {
		return nil, err
	}
	c := &Conn{nc: nc, w: newWriter(nc), remote: them, calls: make(map[uint32]*call), wake: make(chan struct{}, 1), done: make(chan struct{})}
	go c.read()
	go c.watch()
	return c, nil
}

// Remote is who answers at the other end.
func (c *Conn) Remote() Hello { return c.remote }

// Done is closed once the connection is of no more use.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is why the connection is of no more use, nil while it is.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Clock is the peer's clock as of its last reply, milliseconds since its process
// started, and how long ago that reply came.
func (c *Conn) Clock() (clock uint64, age time.Duration) {
	at := c.heard.Load()
	if at == 0 {
		return 0, 1 << 62
	}
	return c.clock.Load(), time.Duration(monotonic() - at)
}

// Close gives the connection up; calls under way fail.
func (c *Conn) Close() { c.fail(net.ErrClosed) }

// Call sends a request and waits for its reply. Its payload may be in two parts.
// Errors wrap ErrNotSent if the request was certainly not executed, else ErrBroken,
// ErrTimeout or the context's.
func (c *Conn) Call(ctx context.Context, timeout time.Duration, op Op, epoch uint64, a, b []byte) (Reply, error) {
	if len(a)+len(b) > MaxPayload {
		return Reply{}, fmt.Errorf("%w: payload of %d bytes", ErrNotSent, len(a)+len(b))
	}
	if err := ctx.Err(); err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	cl := callPool.Get().(*call)
	cl.deadline = monotonic() + int64(timeout)
	id, alone, err := c.begin(cl)
	if err != nil {
		callPool.Put(cl)
		return Reply{}, err
	}
	leave := together
	if alone {
		leave = atOnce
	}
	// A frame that fails half-way may have been executed: the reader tells all waiting.
	if err := c.w.frame(header{id: id, word: uint8(op), stamp: epoch}, a, b, leave); err != nil {
		c.fail(err)
	}
	select {
	case r := <-cl.reply:
		callPool.Put(cl)
		return r, r.err
	case <-ctx.Done():
		if c.forget(id) {
			callPool.Put(cl)
		}
		return Reply{}, ctx.Err()
	}
}

var callPool = sync.Pool{New: func() any { return &call{reply: make(chan Reply, 1)} }}

// begin takes a call in and tells whether it is the only one under way.
func (c *Conn) begin(cl *call) (id uint32, alone bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, false, fmt.Errorf("%w: %w", ErrNotSent, c.err)
	}
	c.nextID++
	for c.calls[c.nextID] != nil {
		c.nextID++
	}
	c.calls[c.nextID] = cl
	if c.idle {
		c.idle = false
		c.wake <- struct{}{}
	}
	return c.nextID, len(c.calls) == 1, nil
}

// forget takes a call out; false if its reply is being delivered.
func (c *Conn) forget(id uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.calls[id]
	delete(c.calls, id)
	return ok
}

// read delivers replies until the connection ends.
func (c *Conn) read() {
	r := bufio.NewReaderSize(c.nc, readBuffer)
	for {
		h, err := readHeader(r)
		if err == nil && !h.reply {
			err = fmt.Errorf("%w: a request where a reply should be", ErrFrame)
		}
		var payload []byte
		if err == nil && h.size > 0 {
			payload = make([]byte, h.size)
			_, err = io.ReadFull(r, payload)
		}
		if err != nil {
			c.fail(err)
			return
		}
		// In this order: a clock may seem older than it is, never fresher.
		c.clock.Store(h.stamp)
		c.heard.Store(monotonic())
		c.mu.Lock()
		cl := c.calls[h.id]
		delete(c.calls, h.id)
		c.mu.Unlock()
		if cl != nil {
			cl.reply <- Reply{Code: Code(h.word), Payload: payload}
		}
	}
}

func (c *Conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	calls := c.calls
	c.calls = nil
	c.mu.Unlock()
	close(c.done)
	c.w.fail(err)
	c.nc.Close()
	for _, cl := range calls {
		cl.reply <- Reply{err: fmt.Errorf("%w: %w", ErrBroken, err)}
	}
}

// watch ends overdue calls, pings a peer that owes replies and is silent, and gives
// the connection up if it stays so.
func (c *Conn) watch() {
	t := time.NewTicker(tick)
	defer t.Stop()
	quiet, heard := 0, c.heard.Load()
	for {
		select {
		case <-c.done:
			return
		case <-t.C:
		}
		owed := c.expire(monotonic())
		if owed == 0 {
			t.Stop()
			select {
			case <-c.done:
				return
			case <-c.wake:
				t.Reset(tick)
			}
		}
		if now := c.heard.Load(); owed == 0 || now != heard {
			quiet, heard = 0, now
			continue
		}
		switch quiet++; quiet {
		case silence / 4:
			go c.Call(context.Background(), silence*tick, OpPing, 0, nil, nil) //nolint:errcheck // watched by its silence
		case silence:
			c.fail(fmt.Errorf("silent for %v", silence*tick))
			return
		}
	}
}

// expire ends overdue calls and tells how many are still owed a reply.
func (c *Conn) expire(now int64) (owed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, cl := range c.calls {
		if cl.deadline > now {
			owed++
			continue
		}
		delete(c.calls, id)
		cl.reply <- Reply{err: ErrTimeout}
	}
	c.idle = owed == 0
	return owed
}

var started = clock.Now()

// monotonic is nanoseconds since the process started, never 0.
func monotonic() int64 { return int64(clock.Now()-started) + 1 }

// Clock is this process's clock as it stands in its replies, in milliseconds: the same one
// by which it counts leases.
func Clock() uint64 { return uint64((clock.Now() - started) / time.Millisecond) }

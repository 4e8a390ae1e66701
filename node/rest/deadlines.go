package rest

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// lazyConn moves its deadlines lazily. net/http sets some five for each request, each
// of which moves a timer of the runtime, and nearly always to a later time. Here a
// later deadline is only noted: if the earlier one comes, the timer is set anew and
// the reading or writing goes on.
type lazyConn struct {
	net.Conn
	read, write lazyDeadline
}

func newLazyConn(c net.Conn) *lazyConn {
	l := &lazyConn{Conn: c}
	l.read.set, l.write.set = c.SetReadDeadline, c.SetWriteDeadline
	return l
}

type lazyDeadline struct {
	set func(time.Time) error // the connection's own

	mu   sync.Mutex
	want time.Time // zero: none
	have time.Time // what the timer is set to
}

// move notes a deadline, and sets the timer if it must ring earlier.
func (d *lazyDeadline) move(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	if t.IsZero() || !d.have.IsZero() && !t.Before(d.have) {
		return nil
	}
	d.have = t
	return d.set(t)
}

// early tells whether an error is a deadline's that has been moved since; the timer is
// then set to the new one.
func (d *lazyDeadline) early(err error) bool {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.want.IsZero() && !time.Now().Before(d.want) {
		return false
	}
	d.have = d.want
	return d.set(d.want) == nil
}

// Read implements net.Conn.
func (c *lazyConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if n > 0 || !c.read.early(err) {
			return n, err
		}
	}
}

// Write implements net.Conn.
func (c *lazyConn) Write(p []byte) (int, error) {
	done := 0
	for {
		n, err := c.Conn.Write(p[done:])
		done += n
		if !c.write.early(err) {
			return done, err
		}
	}
}

// SetReadDeadline implements net.Conn.
func (c *lazyConn) SetReadDeadline(t time.Time) error { return c.read.move(t) }

// SetWriteDeadline implements net.Conn.
func (c *lazyConn) SetWriteDeadline(t time.Time) error { return c.write.move(t) }

// SetDeadline implements net.Conn.
func (c *lazyConn) SetDeadline(t time.Time) error {
	return errors.Join(c.read.move(t), c.write.move(t))
}

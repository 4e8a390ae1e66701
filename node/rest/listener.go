package rest

import (
	"net"
	"net/http"
	"sync"
)

// Listener lets no more than MaxConns connections of l be open at a time; others
// wait in the system's backlog. (netutil.LimitListener does the same, but hides that
// the connections are TCP: then net/http cannot end one so that a refused client
// still gets its answer, nor can reset.)
func (o Options) Listener(l net.Listener) net.Listener {
	return &limitListener{
		Listener: l,
		slots:    make(chan struct{}, o.withDefaults().MaxConns),
		done:     make(chan struct{}),
	}
}

type limitListener struct {
	net.Listener
	slots  chan struct{} // one for each open connection
	done   chan struct{}
	closed sync.Once
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{lazyConn: newLazyConn(c), l: l}, nil
}

func (l *limitListener) Close() error {
	l.closed.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitConn struct {
	*lazyConn
	l      *limitListener
	closed sync.Once
}

func (c *limitConn) Close() error {
	err := c.lazyConn.Close()
	c.closed.Do(func() { <-c.l.slots })
	return err
}

// CloseWrite is what net/http looks for to end a connection so that the client still
// gets the answer.
func (c *limitConn) CloseWrite() error {
	if tcp, ok := c.lazyConn.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// SetLinger is for reset.
func (c *limitConn) SetLinger(seconds int) error {
	if tcp, ok := c.lazyConn.Conn.(*net.TCPConn); ok {
		return tcp.SetLinger(seconds)
	}
	return nil
}

// reset breaks a connection off with a TCP reset. To an HTTP/1.0 client an orderly
// end would be the end of the answer.
func reset(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if l, ok := c.(interface{ SetLinger(seconds int) error }); ok {
		l.SetLinger(0) //nolint:errcheck // then it is closed without
	}
	c.Close()
}

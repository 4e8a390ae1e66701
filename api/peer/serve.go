package peer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// Server answers on a peer port.
type Server struct {
	Key  []byte       // uid.Secret.PeerKey
	Self func() Hello // who we are now
	TLS  *tls.Config  // nil: without TLS
	Log  *slog.Logger

	// Calls answers a request. It must not block the connection for long: it replies at
	// once or hands the request to a goroutine of its own, having copied the payload.
	Calls func(*Request)
	// Bodies answers a request that comes with a body or asks for one. It may block.
	Bodies func(*BodyRequest)

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	wg     sync.WaitGroup
}

// Request is one request on a connection.
type Request struct {
	Op      Op
	Epoch   uint64 // of the asking side
	From    Hello
	Payload []byte // only until Calls returns

	id uint32
	w  *writer
	in *inbox
}

// Reply answers the request; its payload may be in two parts, which are not kept. It
// must be called once.
func (r *Request) Reply(code Code, a, b []byte) {
	// The connection's own goroutine flushes what it answered in place; others flush
	// themselves. An error here is the connection's end, which its reader sees too.
	leave := together
	if r.in != nil {
		leave = onFlush
	}
	_ = r.w.frame(header{id: r.id, word: uint8(code), reply: true, stamp: Clock()}, a, b, leave)
}

// Detach makes the request fit to be answered from another goroutine: its payload is
// copied. It returns the request to use from then on.
func (r *Request) Detach() *Request {
	d := *r
	d.Payload = append([]byte(nil), r.Payload...)
	d.in = nil
	return &d
}

// inbox marks the goroutine that reads a connection's requests.
type inbox struct{ r *bufio.Reader }

// Serve answers connections until the listener is closed or Close is called.
func (s *Server) Serve(l net.Listener) error {
	var delay time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
		case s.isClosed() || errors.Is(err, net.ErrClosed):
			return nil
		default:
			// Out of descriptors, most likely: it passes.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.Log.Warn("peer port can't accept", "error", err, "again_in", delay)
			time.Sleep(delay)
			continue
		}
		if !s.track(nc) {
			nc.Close()
			return nil
		}
		go func() {
			defer s.untrack(nc)
			s.conn(nc)
		}()
	}
}

// Close ends all connections and waits for their goroutines; the listeners are the
// caller's.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for nc := range s.conns {
		nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

func (s *Server) track(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[net.Conn]struct{})
	}
	s.conns[nc] = struct{}{}
	s.wg.Add(1)
	return true
}

func (s *Server) untrack(nc net.Conn) {
	nc.Close()
	s.mu.Lock()
	delete(s.conns, nc)
	s.mu.Unlock()
	s.wg.Done()
}

func (s *Server) conn(raw net.Conn) {
	nc := raw
	if s.TLS != nil {
		nc = tls.Server(raw, s.TLS)
	}
	err := nc.SetDeadline(time.Now().Add(handshakeTimeout))
	var them clientHello
	if err == nil {
		them, err = admit(nc, s.Key, s.Self)
	}
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		s.refused(raw.RemoteAddr(), err)
		return
	}
	if them.kind == Bodies {
		err = s.bodies(nc, them.Hello)
	} else {
		err = s.calls(nc, them.Hello)
	}
	if err != nil && !s.isClosed() && errors.Is(err, ErrFrame) {
		s.Log.Warn("peer dropped", "peer", them.Name, "error", err)
	}
}

// refused says who was turned away. A peer that looks for a dead incarnation does so
// again and again, and is told each time: that is not worth a line.
func (s *Server) refused(from net.Addr, err error) {
	level := slog.LevelWarn
	if errors.Is(err, ErrIncarnation) || errors.Is(err, io.EOF) {
		level = slog.LevelDebug
	}
	if !s.isClosed() {
		s.Log.Log(context.Background(), level, "peer refused", "remote", from.String(), "error", err)
	}
}

// calls answers requests until the connection ends.
func (s *Server) calls(nc net.Conn, from Hello) error {
	w := newWriter(nc)
	in := &inbox{r: bufio.NewReaderSize(nc, readBuffer)}
	defer func() {
		_ = w.flush() // what was answered in front of a malformed frame still leaves
		w.fail(net.ErrClosed)
	}()
	var buf []byte
	for {
		// Answers given in place leave together, once no whole request is waiting.
		if in.r.Buffered() < headerSize {
			if err := w.flush(); err != nil {
				return err
			}
		}
		h, err := readHeader(in.r)
		if err != nil {
			return err
		}
		if h.reply {
			return errors.Join(ErrFrame, errors.New("a reply where a request should be"))
		}
		payload, err := s.payload(in.r, w, int(h.size), &buf)
		if err != nil {
			return err
		}
		s.Calls(&Request{Op: Op(h.word), Epoch: h.stamp, From: from, Payload: payload, id: h.id, w: w, in: in})
		if h.size > keepBuffer {
			buf = nil
		}
	}
}

// payload returns the next n bytes, in the reader's own buffer if they fit.
func (s *Server) payload(r *bufio.Reader, w *writer, n int, buf *[]byte) ([]byte, error) {
	if r.Buffered() < n {
		if err := w.flush(); err != nil {
			return nil, err
		}
	}
	if n <= readBuffer {
		b, err := r.Peek(n)
		if err != nil {
			return nil, err
		}
		_, err = r.Discard(n)
		return b, err
	}
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	_, err := io.ReadFull(r, (*buf)[:n])
	return (*buf)[:n], err
}

// Serving starts Serve on a listener and returns what ends both.
func (s *Server) Serving(l net.Listener) (stop func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Serve(l); err != nil {
			s.Log.Error("peer port", "error", err)
		}
	}()
	return func() {
		l.Close()
		s.Close()
		<-done
	}
}

// closeOnDone closes a connection when a context ends; stop ends the watch.
func closeOnDone(ctx context.Context, nc net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { nc.Close() })
}

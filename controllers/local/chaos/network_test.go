package chaos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// network is a proxy in front of each peer port. It knows from the handshake who dialled
// (see api/peer), and can keep the bytes of any two from each other: they stop, new
// connections hang, and not even the end of a connection is seen, until the two are
// joined again; then what was on its way arrives.
type network struct {
	mu     sync.Mutex
	change *sync.Cond
	apart  map[[2]string]bool // from whom dialled to who listens
	conns  map[*passage]struct{}
	closed bool

	doors map[string]net.Listener // by the name of who listens
	done  sync.WaitGroup
}

// passage is one connection through a proxy.
type passage struct {
	ends     [2]string // who dialled, who listens
	from, to net.Conn
}

// The opening of a connection, as in api/peer/handshake.go: magic and nonce, then, after
// the server's nonce, cluster, incarnation, wanted incarnation, kind and the name.
const (
	openingSize = 8 + 32
	helloSize   = 3*16 + 1
)

func newNetwork() *network {
	n := &network{apart: make(map[[2]string]bool), conns: make(map[*passage]struct{}), doors: make(map[string]net.Listener)}
	n.change = sync.NewCond(&n.mu)
	return n
}

// open has connections to an address led to another one. A door that is open stays so.
func (n *network) open(name, address, target string) error {
	if n.doors[name] != nil {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	n.doors[name] = l
	n.done.Go(func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			n.done.Go(func() { n.lead(from, name, target) })
		}
	})
	return nil
}

// lead takes one connection to its target.
func (n *network) lead(from net.Conn, name, target string) {
	defer from.Close()
	to, err := net.Dial("tcp", target)
	if err != nil {
		return // nobody listens there, and the other side sees a connection that ends
	}
	defer to.Close()
	p := &passage{ends: [2]string{"", name}, from: from, to: to}
	if !n.add(p) {
		return
	}
	defer n.remove(p)
	var both sync.WaitGroup
	both.Go(func() { n.carry(p, to, from) })
	if n.introduce(p) == nil {
		n.carry(p, from, to)
	}
	from.Close()
	to.Close()
	both.Wait()
}

// introduce passes the beginning of the handshake on, from which it learns who dials.
func (n *network) introduce(p *passage) error {
	if _, err := io.CopyN(p.to, p.from, openingSize); err != nil {
		return err
	}
	hello := make([]byte, helloSize+2)
	if _, err := io.ReadFull(p.from, hello); err != nil {
		return err
	}
	name := make([]byte, binary.BigEndian.Uint16(hello[helloSize:]))
	if _, err := io.ReadFull(p.from, name); err != nil {
		return err
	}
	n.mu.Lock()
	p.ends[0] = string(name)
	n.mu.Unlock()
	n.wait(p)
	_, err := io.Copy(p.to, io.MultiReader(bytes.NewReader(hello), bytes.NewReader(name)))
	return err
}

// carry passes bytes on in one direction, and the end of the connection.
func (n *network) carry(p *passage, from, to net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		size, err := from.Read(buf)
		n.wait(p)
		if size > 0 {
			if _, e := to.Write(buf[:size]); e != nil {
				err = e
			}
		}
		if err != nil {
			n.wait(p)
			from.Close()
			to.Close()
			return
		}
	}
}

// wait returns once bytes may pass.
func (n *network) wait(p *passage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.apart[p.ends] && !n.closed {
		n.change.Wait()
	}
}

func (n *network) add(p *passage) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[p] = struct{}{}
	return !n.closed
}

func (n *network) remove(p *passage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, p)
}

// cut keeps connections that one dialled to another from carrying anything.
func (n *network) cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart[[2]string{from, to}] = true
}

// part cuts two from each other.
func (n *network) part(a, b string) {
	n.cut(a, b)
	n.cut(b, a)
}

// heal joins all again.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.apart)
	n.change.Broadcast()
}

// reset breaks all connections there are.
func (n *network) reset() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.conns {
		for _, c := range []net.Conn{p.from, p.to} {
			if c, ok := c.(*net.TCPConn); ok {
				_ = c.SetLinger(0) // so that the other side sees a reset
			}
			c.Close()
		}
	}
}

func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	n.change.Broadcast()
	n.mu.Unlock()
	for _, l := range n.doors {
		l.Close()
	}
	n.reset()
	n.done.Wait()
}

// TestNetwork: bytes of two that are apart stop, and arrive once they are joined again;
// others are not concerned.
func TestNetwork(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var servers sync.WaitGroup
	defer servers.Wait()
	defer target.Close()
	servers.Go(func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			servers.Go(func() {
				defer conn.Close()
				io.Copy(conn, conn) //nolint:errcheck // an echo, until the other side ends
			})
		}
	})
	n := newNetwork()
	defer n.close()
	door := at(freePort(t, 1))
	if err := n.open("b", door, target.Addr().String()); err != nil {
		t.Fatal(err)
	}
	n.part("a", "b")
	hello := make([]byte, openingSize+helloSize+2)
	hello[len(hello)-1] = 1 // the length of a name
	conns := make(map[string]net.Conn)
	for _, from := range []string{"a", "c"} {
		conn, err := net.Dial("tcp", door)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(append(hello[:len(hello):len(hello)], from...)); err != nil {
			t.Fatal(err)
		}
		conns[from] = conn
	}
	read := func(from string, size int, wait time.Duration) (int, error) {
		t.Helper()
		if err := conns[from].SetReadDeadline(time.Now().Add(wait)); err != nil {
			t.Fatal(err)
		}
		return io.ReadFull(conns[from], make([]byte, size))
	}
	all := len(hello) + 1
	if _, err := read("c", all, patience); err != nil {
		t.Errorf("one that is not apart: %v", err)
	}
	// Before it is known who dials something may pass.
	some, err := read("a", all, 100*time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) || some > openingSize {
		t.Errorf("one that is apart: %d bytes, %v", some, err)
	}
	n.heal()
	if _, err := read("a", all-some, patience); err != nil {
		t.Errorf("one that was apart: %v", err)
	}
	n.reset()
	if _, err := read("c", 1, patience); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a reset: %v", err)
	}
}

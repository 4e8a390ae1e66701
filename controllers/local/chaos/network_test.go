package chaos

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
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

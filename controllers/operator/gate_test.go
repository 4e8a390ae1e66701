package operator

import (
	"net"
	"net/url"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
)

// gate stands before the API server. While it is shut nobody can connect and who was connected is
// not any more; while it is jammed connections stand, and nothing comes through.
type gate struct {
	t       *testing.T
	address string
	api     string
	all     sync.WaitGroup

	mu     sync.Mutex
	l      net.Listener // nil: shut
	conns  []net.Conn
	jammed chan struct{} // nil: it is not; closed when it is not any more
}

// newGate returns an open one, and how to reach the API server through it.
func newGate(t *testing.T, config *rest.Config) (*gate, *rest.Config) {
	t.Helper()
	there, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{t: t, api: there.Host, address: "127.0.0.1:0"}
	g.open()
	t.Cleanup(func() { g.shut(); g.all.Wait() })
	there.Host = g.address
	through := rest.CopyConfig(config)
	through.Host, through.QPS = there.String(), -1
	return g, through
}

func (g *gate) open() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.jammed != nil {
		close(g.jammed)
		g.jammed = nil
	}
	if g.l != nil {
		return
	}
	l, err := net.Listen("tcp", g.address)
	if err != nil {
		g.t.Fatal(err)
	}
	g.l, g.address = l, l.Addr().String()
	g.all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			g.let(in)
		}
	})
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.jammed != nil {
		close(g.jammed)
		g.jammed = nil
	}
	if g.l != nil {
		g.l.Close()
		g.l = nil
	}
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

func (g *gate) jam() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.jammed = make(chan struct{})
}

// let connects somebody with the API server.
func (g *gate) let(in net.Conn) {
	out, err := net.Dial("tcp", g.api)
	if err != nil {
		in.Close()
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.l == nil { // shut meanwhile
		in.Close()
		out.Close()
		return
	}
	g.conns = append(g.conns, in, out)
	g.all.Go(func() { g.pass(in, out) })
	g.all.Go(func() { g.pass(out, in) })
}

func (g *gate) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	for buffer := make([]byte, 64<<10); ; {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		g.mu.Lock()
		jammed := g.jammed
		g.mu.Unlock()
		if jammed != nil {
			<-jammed
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(t testing.TB, secret string) []byte {
	t.Helper()
	s, err := uid.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return s.PeerKey()
}

var (
	node    = Hello{Cluster: layout.ID{9}, Incarnation: layout.ID{1}, Name: "snow-0-255"}
	asker   = Hello{Cluster: layout.ID{9}, Incarnation: layout.ID{2}, Name: "snow-1-0"}
	discard = slog.New(slog.DiscardHandler)
)

const (
	opEcho   = OpNode + iota // replies with its payload
	opLater                  // the same from another goroutine
	opNever                  // no reply
	opLength                 // bodies: replies with the length and the body twice
)

func serve(t testing.TB, secret string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Key: key(t, secret), Self: func() Hello { return node }, Log: discard}
	s.Calls = func(r *Request) {
		switch r.Op {
		case opEcho, OpPing:
			r.Reply(CodeOK, r.Payload, nil)
		case opLater:
			r := r.Detach()
			go r.Reply(CodeOK, r.Payload[:len(r.Payload)/2], r.Payload[len(r.Payload)/2:])
		}
	}
	s.Bodies = func(r *BodyRequest) {
		if len(r.Payload) > 0 {
			r.Reply(CodeRefused, []byte("no"), 0, nil) //nolint:errcheck // seen by the other side
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Reply(CodeOK, []byte(fmt.Sprint(len(b))), 2*int64(len(b)), func(w io.Writer) error { //nolint:errcheck // seen by the other side
			_, err := w.Write(append(b, b...))
			return err
		})
	}
	t.Cleanup(s.Serving(l))
	return l.Addr().String()
}

func dialer(t testing.TB, secret string) *Dialer {
	return &Dialer{Key: key(t, secret), Self: func() Hello { return asker }}
}

func dial(t testing.TB, address string) *Conn {
	t.Helper()
	c, err := dialer(t, "s").Dial(t.Context(), address, node.Incarnation)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestHandshake(t *testing.T) {
	address := serve(t, "right")
	for _, c := range []struct {
		name, secret string
		self         Hello
		want         layout.ID
		err          error
	}{
		{"right", "right", asker, node.Incarnation, nil},
		{"any incarnation", "right", asker, layout.ID{}, nil},
		{"author without a cluster yet", "right", Hello{Name: "author"}, layout.ID{}, nil},
		{"wrong secret", "wrong", asker, node.Incarnation, ErrSecret},
		{"another incarnation", "right", asker, layout.ID{7}, ErrIncarnation},
		{"another cluster", "right", Hello{Cluster: layout.ID{8}}, layout.ID{}, ErrCluster},
	} {
		d := &Dialer{Key: key(t, c.secret), Self: func() Hello { return c.self }}
		conn, err := d.Dial(t.Context(), address, c.want)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if c.err != nil && !errors.Is(err, ErrNotSent) {
			t.Errorf("%s: nothing was executed, but %v does not say so", c.name, err)
		}
		if err == nil {
			if conn.Remote() != node {
				t.Errorf("%s: remote %+v", c.name, conn.Remote())
			}
			conn.Close()
		}
	}
}

// A server that does not know the secret must not be believed, whatever it echoes.
func TestHandshakeDistrustsServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		seen := make([]byte, len(magic)+nonceSize)
		io.ReadFull(nc, seen)       //nolint:errcheck // the client's error is what counts
		nc.Write(seen[len(magic):]) //nolint:errcheck // the nonce, mirrored
		hello := make([]byte, 3*16+1+2+len(asker.Name)+32)
		io.ReadFull(nc, hello)                                                    //nolint:errcheck // as above
		nc.Write(append(append(serverHello(&node), 1), hello[len(hello)-32:]...)) //nolint:errcheck // the proof, mirrored
	}()
	if _, err := dialer(t, "s").Dial(t.Context(), l.Addr().String(), node.Incarnation); !errors.Is(err, ErrSecret) {
		t.Errorf("%v, want %v", err, ErrSecret)
	}
}

// Without the secret no request is served: not before the handshake, not with a
// proof that was heard before.
func TestNothingWithoutProof(t *testing.T) {
	address := serve(t, "s")
	ping := (&header{word: uint8(OpPing)}).append(nil)
	hello := (&clientHello{Hello: asker, kind: Calls}).append(nil)
	for name, send := range map[string][]byte{
		"plain frame":    bytes.Repeat(ping, 20),
		"HTTP":           []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n" + strings.Repeat(" ", 200)),
		"invented proof": append(append(append([]byte(magic), make([]byte, nonceSize)...), hello...), append(make([]byte, 32), ping...)...),
	} {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		nc.Write(send)                                  //nolint:errcheck // the answer is what counts
		nc.SetReadDeadline(time.Now().Add(time.Second)) //nolint:errcheck // as above
		got, _ := io.ReadAll(nc)
		if len(got) > nonceSize {
			t.Errorf("%s: %d bytes came back", name, len(got))
		}
		nc.Close()
	}
}

func TestCallsAtOnce(t *testing.T) {
	c := dial(t, serve(t, "s"))
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 50 {
				want := bytes.Repeat([]byte{byte(i), byte(j)}, 1+(i*j*37)%40000)
				r, err := c.Call(t.Context(), 5*time.Second, opEcho+Op(j%2), 1, want[:1], want[1:])
				if err != nil || r.Code != CodeOK || !bytes.Equal(r.Payload, want) {
					t.Errorf("call %d.%d: %v %v, %d bytes of %d", i, j, err, r.Code, len(r.Payload), len(want))
					return
				}
			}
		})
	}
	wg.Wait()
	if clock, age := c.Clock(); clock > Clock() || age > time.Minute {
		t.Errorf("clock %d (now %d), %v old", clock, Clock(), age)
	}
}

func TestCallEndings(t *testing.T) {
	c := dial(t, serve(t, "s"))
	if _, err := c.Call(t.Context(), 200*time.Millisecond, opNever, 1, nil, nil); !errors.Is(err, ErrTimeout) {
		t.Errorf("%v, want a timeout", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Call(ctx, time.Minute, opNever, 1, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
	if _, err := c.Call(t.Context(), time.Minute, opEcho, 1, make([]byte, MaxPayload), []byte{1}); !errors.Is(err, ErrNotSent) {
		t.Errorf("%v, want a refusal", err)
	}
	if r, err := c.Call(t.Context(), time.Minute, opEcho, 1, make([]byte, MaxPayload), nil); err != nil || len(r.Payload) != MaxPayload {
		t.Errorf("%v, %d bytes", err, len(r.Payload))
	}
	time.AfterFunc(50*time.Millisecond, c.Close)
	if _, err := c.Call(t.Context(), time.Minute, opNever, 1, nil, nil); !errors.Is(err, ErrBroken) {
		t.Errorf("%v, want a broken connection", err)
	}
	if _, err := c.Call(t.Context(), time.Minute, opEcho, 1, nil, nil); !errors.Is(err, ErrNotSent) {
		t.Errorf("%v, want a call that was never sent", err)
	}
}

// A peer that owes a reply and is silent, not answering pings either, is given up
// long before the call's own deadline.
func TestSilentPeer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hold := make(chan struct{})
	go func() {
		nc, err := l.Accept()
		if err == nil {
			admit(nc, key(t, "s"), func() Hello { return node }) //nolint:errcheck // the client's error is what counts
			<-hold
			nc.Close()
		}
	}()
	defer close(hold)
	c := dial(t, l.Addr().String())
	start := time.Now()
	_, err = c.Call(t.Context(), time.Minute, opEcho, 1, nil, nil)
	if took := time.Since(start); !errors.Is(err, ErrBroken) || took > 4*silence*tick {
		t.Errorf("%v after %v", err, took)
	}
}

func TestBulk(t *testing.T) {
	address := serve(t, "s")
	b, err := dialer(t, "s").DialBulk(t.Context(), address, node.Incarnation)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, n := range []int{0, 1, piece - 1, piece, 5<<20 + 3} {
		body := bytes.Repeat([]byte{byte(n), 1, 2}, n)[:n]
		r, size, out, err := b.Exchange(t.Context(), opLength, 1, nil, int64(n), func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		})
		if err != nil || string(r.Payload) != fmt.Sprint(n) || size != 2*int64(n) {
			t.Fatalf("%d bytes: %v, %s, %d", n, err, r.Payload, size)
		}
		got, err := io.ReadAll(out)
		if err != nil || !bytes.Equal(got, append(body, body...)) {
			t.Fatalf("%d bytes: %v, other bytes came back", n, err)
		}
		if !b.Reusable() {
			t.Fatalf("%d bytes: not reusable", n)
		}
		// A body that is refused unread does not spoil the connection.
		r, _, _, err = b.Exchange(t.Context(), opLength, 1, []byte("x"), int64(n), func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		})
		if err != nil || r.Code != CodeRefused || !b.Reusable() {
			t.Fatalf("%d bytes refused: %v %v", n, err, r.Code)
		}
	}
	_, _, _, err = b.Exchange(t.Context(), opLength, 1, nil, 10, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 9))
		return err
	})
	if err == nil || b.Reusable() {
		t.Errorf("a body that is too short passed: %v", err)
	}
}

// A body that was given up while it was sent leaves a connection that must not be
// used again, however far it had come.
func TestBulkGivenUp(t *testing.T) {
	address := serve(t, "s")
	for i := range 50 {
		b, err := dialer(t, "s").DialBulk(t.Context(), address, node.Incarnation)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		body := make([]byte, 100)
		_, _, _, err = b.Exchange(ctx, opLength, 1, []byte("x"), int64(len(body)), func(w io.Writer) error {
			_, err := w.Write(body)
			if i%2 == 0 {
				cancel()
			} else {
				go cancel()
			}
			return err
		})
		cancelled := ctx.Err() != nil
		cancel()
		if err == nil && b.Reusable() && cancelled {
			_, _, _, err = b.Exchange(t.Context(), opLength, 1, []byte("x"), 0, nil)
			if err != nil {
				t.Fatalf("exchange %d: called reusable, and is not: %v", i, err)
			}
		}
		b.Close()
	}
}

func FuzzFrames(f *testing.F) {
	f.Add((&header{size: 3, id: 7, word: 16, stamp: 5}).append(nil))
	f.Add(append((&header{word: 1}).append(nil), (&header{size: MaxPayload + 1}).append(nil)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		// The server's loop reads any bytes without panicking and answers exactly the
		// whole frames in front of the first malformed one.
		c := &tape{in: bytes.NewReader(in)}
		s := &Server{Log: discard, Calls: func(r *Request) { r.Reply(CodeOK, r.Payload, nil) }}
		if err := s.calls(c, Hello{}); err == nil {
			t.Fatal("no end")
		}
		if got, want := stripClock(c.out.Bytes()), echoes(in); !bytes.Equal(got, want) {
			t.Fatalf("answered %x, want %x", got, want)
		}
	})
}

func FuzzBodyFrames(f *testing.F) {
	f.Add(append((&header{size: 8, word: 16}).append(nil), 0, 0, 0, 0, 0, 0, 0, 2, 'h', 'i'))
	f.Add((&header{size: 8, word: 16}).append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &tape{in: bytes.NewReader(in)}
		s := &Server{Log: discard, Bodies: func(r *BodyRequest) {
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil && n > r.Size {
				t.Fatalf("body of %d bytes has %d", r.Size, n)
			}
			r.Reply(CodeOK, nil, 0, nil) //nolint:errcheck // a tape takes it
		}}
		if err := s.bodies(c, Hello{}); err == nil {
			t.Fatal("no end")
		}
	})
}

func FuzzHandshake(f *testing.F) {
	f.Add(append([]byte(magic), make([]byte, 200)...))
	k := key(f, "s")
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := admit(&tape{in: bytes.NewReader(in)}, k, func() Hello { return node }); err == nil {
			t.Fatal("bytes without the secret were admitted")
		}
		if _, err := greet(&tape{in: bytes.NewReader(in)}, k, &clientHello{Hello: asker, kind: Calls}); err == nil {
			t.Fatal("bytes without the secret were believed")
		}
	})
}

// tape is a connection whose other side has said everything already.
type tape struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *tape) Read(b []byte) (int, error)       { return c.in.Read(b) }
func (c *tape) Write(b []byte) (int, error)      { return c.out.Write(b) }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// echoes is what a server that echoes answers, by a naive second reading.
func echoes(in []byte) (out []byte) {
	for len(in) >= headerSize {
		n := int(binary.BigEndian.Uint32(in))
		if n > MaxPayload || in[9] != 0 || in[10] != 0 || in[11] != 0 || len(in) < headerSize+n {
			return out
		}
		out = append(out, in[:8]...)
		out = append(out, byte(CodeOK), 1, 0, 0)
		out = append(out, in[headerSize:headerSize+n]...)
		in = in[headerSize+n:]
	}
	return out
}

func stripClock(in []byte) (out []byte) {
	for len(in) >= headerSize {
		n := int(binary.BigEndian.Uint32(in))
		out = append(out, in[:headerSize-8]...)
		out = append(out, in[headerSize:headerSize+n]...)
		in = in[headerSize+n:]
	}
	return out
}

func BenchmarkCall(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprint(parallel), func(b *testing.B) {
			c := dial(b, serve(b, "s"))
			payload := make([]byte, 128)
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := c.Call(b.Context(), time.Second, opEcho, 1, payload, nil); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

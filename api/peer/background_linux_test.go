package peer

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBackground: what a reply may wait for is said to the system, and taken back.
func TestBackground(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var seen []int
	s := &Server{Key: key(t, "s"), Self: func() Hello { return node }, Log: discard, Bodies: func(r *BodyRequest) {
		r.Background(len(r.Payload) > 0)
		raw, err := r.nc.(*net.TCPConn).SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) {
				priority, _ := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY)
				seen = append(seen, priority)
			})
		}
		if err != nil {
			t.Error(err)
		}
		_ = r.Reply(CodeOK, nil, 0, nil) // the other side sees its failure
	}}
	defer s.Serving(l)()
	b, err := dialer(t, "s").DialBulk(t.Context(), l.Addr().String(), node.Incarnation)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, payload := range []string{"", "x", "x", ""} {
		if _, _, _, err := b.Exchange(t.Context(), opEcho, 1, []byte(payload), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{0, bulkPriority, bulkPriority, 0} {
		if i >= len(seen) || seen[i] != want {
			t.Fatalf("priorities %v", seen)
		}
	}
}

package rest

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

func lazyPair(t *testing.T) (*lazyConn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	them, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { them.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return newLazyConn(c), them
}

func TestLazyDeadlines(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name     string
		moves    []time.Duration // from now; 0: none
		atLeast  time.Duration
		timesOut bool
	}{
		{"one", []time.Duration{50 * ms}, 50 * ms, true},
		{"later", []time.Duration{20 * ms, 120 * ms}, 120 * ms, true},
		{"earlier", []time.Duration{10 * time.Second, 30 * ms}, 30 * ms, true},
		{"later, then earlier than both", []time.Duration{100 * ms, time.Minute, 30 * ms}, 30 * ms, true},
		{"past", []time.Duration{time.Minute, -time.Hour}, 0, true},
		{"past, then later", []time.Duration{-time.Hour, 60 * ms}, 60 * ms, true},
		{"none after one", []time.Duration{10 * ms, 0}, 0, false},
		{"none after the past", []time.Duration{-time.Hour, 0}, 0, false},
	} {
		l, them := lazyPair(t)
		start := time.Now()
		for _, d := range c.moves {
			at := start.Add(d)
			if d == 0 {
				at = time.Time{}
			}
			if err := l.SetReadDeadline(at); err != nil {
				t.Fatal(err)
			}
		}
		if !c.timesOut {
			time.AfterFunc(150*ms, func() { them.Write([]byte("x")) }) //nolint:errcheck // the reader sees it
		}
		n, err := l.Read(make([]byte, 1))
		took := time.Since(start)
		if c.timesOut != errors.Is(err, os.ErrDeadlineExceeded) || c.timesOut == (n == 1) {
			t.Errorf("%s: %d bytes, %v", c.name, n, err)
		}
		if took < c.atLeast || took > c.atLeast+5*time.Second {
			t.Errorf("%s: after %v", c.name, took)
		}
	}
}

// A read that waits is ended by a deadline in the past, as net/http does it, also while
// its timer is being set anew.
func TestLazyDeadlineInterrupts(t *testing.T) {
	l, _ := lazyPair(t)
	for i := range 200 {
		if err := l.SetReadDeadline(time.Now().Add(time.Duration(i%5) * 100 * time.Microsecond)); err != nil {
			t.Fatal(err)
		}
		if err := l.SetReadDeadline(time.Time{}); err != nil { // noted only
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := l.Read(make([]byte, 1))
			ended <- err
		}()
		if i%2 == 0 {
			time.Sleep(time.Duration(i%7) * 100 * time.Microsecond)
		}
		if err := l.SetReadDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the read was not ended")
		}
	}
}

// A write that the other side takes slowly goes on past a deadline that was moved, and
// writes each byte once.
func TestLazyWrite(t *testing.T) {
	l, them := lazyPair(t)
	data := make([]byte, 8<<20)
	for i := range data {
		data[i] = byte(i * 7)
	}
	if err := l.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := l.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() {
		n, err := l.Write(data)
		if err == nil && n != len(data) {
			err = errors.New("short write")
		}
		wrote <- err
	}()
	time.Sleep(100 * time.Millisecond) // the socket is full and the first deadline passed
	buf := make([]byte, 1<<20)
	for at := 0; at < len(data); {
		n, err := them.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if buf[i] != data[at+i] {
				t.Fatalf("byte %d is wrong", at+i)
			}
		}
		at += n
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

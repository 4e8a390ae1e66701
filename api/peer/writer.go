package peer

import (
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	// writeTimeout bounds how long the other side may leave a full socket unread.
	writeTimeout = 5 * time.Second
	// maxPending bounds the bytes that wait while a write is under way.
	maxPending = 4 << 20
	// keepBuffer is the largest buffer that is kept for the next frames.
	keepBuffer = 256 << 10
)

// writer puts frames of many goroutines on one connection. Whoever finds nobody
// writing writes, and goes on until nothing is pending, so frames that come meanwhile
// leave together in one system call.
type writer struct {
	nc net.Conn

	mu      sync.Mutex
	room    sync.Cond // pending has shrunk, or the writer failed
	pending []byte
	spare   []byte
	writing bool
	err     error
}

func newWriter(nc net.Conn) *writer {
	w := &writer{nc: nc}
	w.room.L = &w.mu
	return w
}

// when says when a frame must leave.
type when uint8

const (
	onFlush when = iota // with the next flush
	atOnce
	// together: at once, but those who are about to add a frame may do so first. It saves
	// system calls where many are at work, and costs one alone a detour.
	together
)

// frame appends one frame; payload may be in two parts, so that a value need not be
// copied twice. The parts are not kept.
func (w *writer) frame(h header, a, b []byte, leave when) error {
	h.size = uint32(len(a) + len(b))
	w.mu.Lock()
	for len(w.pending) > maxPending && w.err == nil {
		if w.writing {
			w.room.Wait()
			continue
		}
		_ = w.drain(atOnce) // its error is kept in w.err
		w.mu.Lock()
	}
	if w.err != nil {
		w.mu.Unlock()
		return w.err
	}
	w.pending = h.append(w.pending)
	w.pending = append(w.pending, a...)
	w.pending = append(w.pending, b...)
	if leave == onFlush || w.writing {
		w.mu.Unlock()
		return nil
	}
	return w.drain(leave)
}

// flush writes what is pending.
func (w *writer) flush() error {
	w.mu.Lock()
	if w.writing || len(w.pending) == 0 {
		err := w.err
		w.mu.Unlock()
		return err
	}
	return w.drain(atOnce)
}

// drain writes until nothing is pending. It is called with the lock and releases it.
func (w *writer) drain(leave when) error {
	w.writing = true
	if leave == together {
		w.mu.Unlock()
		runtime.Gosched()
		w.mu.Lock()
	}
	for len(w.pending) > 0 && w.err == nil {
		out := w.pending
		w.pending = w.spare[:0]
		w.mu.Unlock()
		err := w.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if err == nil {
			_, err = w.nc.Write(out)
		}
		w.mu.Lock()
		w.spare = nil
		if cap(out) <= keepBuffer {
			w.spare = out[:0]
		}
		if err != nil && w.err == nil {
			w.err = err
		}
		w.room.Broadcast()
	}
	w.writing = false
	err := w.err
	w.mu.Unlock()
	return err
}

// fail makes all later frames fail.
func (w *writer) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.room.Broadcast()
	w.mu.Unlock()
}

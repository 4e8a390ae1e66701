package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eiri/seppen/api/uid"
)

// freed is within what time memory has to be free again that nothing needs.
const freed = time.Minute

// Keys that are overwritten all the time, also while nodes die and stall and writes fail
// half-way, leave nothing behind.
func TestChurn(t *testing.T) {
	t.Parallel()
	rnd := ready(t)
	c := start(t, 3, 2, false)
	w := &writers{c: c, size: 4 << 10, keys: make([]string, 300)}
	for i := range w.keys {
		w.keys[i] = fmt.Sprintf("churn/%d", i)
	}
	w.load(rnd)
	c.settled(nil)
	level := c.memory()
	written := w.during(rnd, func() {
		pause := func() { time.Sleep(time.Second + time.Duration(rnd.IntN(500))*time.Millisecond) }
		pause()
		c.kill(rnd.IntN(3))
		pause()
		c.calm()
		thaw := c.freeze(rnd.IntN(3))
		pause()
		pause()
		thaw()
		c.calm()
		c.kill(rnd.IntN(3))
		pause()
	})
	c.calm()
	began := time.Now()
	c.settled(level)
	took := time.Since(began)
	t.Logf("%d values of %d bytes were written over %d; %.1f s later nothing is left of the others; memory in use at each node: %v at first, %v now",
		written, w.size, len(w.keys), took.Seconds(), level, c.memory())
	if took > freed {
		t.Errorf("that is more than %v", freed)
	}
}

// writers write large values to many keys.
type writers struct {
	c    *cluster
	size int
	keys []string
}

// load writes a value for each key once.
func (w *writers) load(rnd *rand.Rand) {
	w.c.t.Helper()
	var all sync.WaitGroup
	const each = 8
	for i := range each {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		all.Go(func() {
			for j := i; j < len(w.keys); j += each {
				if status := w.write(rnd, w.keys[j], j); status != http.StatusCreated {
					w.c.t.Errorf("PUT %s: %d", w.keys[j], status)
					return
				}
			}
		})
	}
	all.Wait()
	if w.c.t.Failed() {
		w.c.t.FailNow()
	}
}

// during has keys overwritten while something happens, and returns how often that went
// well.
func (w *writers) during(rnd *rand.Rand, something func()) (written int) {
	ctx, cancel := context.WithCancel(w.c.t.Context())
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range 6 {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 0))
		all.Go(func() {
			for ctx.Err() == nil {
				status := w.write(rnd, w.keys[rnd.IntN(len(w.keys))], i)
				mu.Lock()
				if status == http.StatusNoContent {
					written++
				}
				mu.Unlock()
			}
		})
	}
	something()
	cancel()
	all.Wait()
	return written
}

func (w *writers) write(rnd *rand.Rand, key string, node int) (status int) {
	body := strings.NewReader(string(noise(rnd, w.size)))
	ctx, cancel := context.WithTimeout(context.Background(), giveUp)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+w.c.rest(node%len(w.c.names))+"/"+key, body)
	if err != nil {
		w.c.t.Error(err)
		return 0
	}
	res, err := w.c.http.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body) //nolint:errcheck // so that the connection is used again
	return res.StatusCode
}

func noise(rnd *rand.Rand, size int) []byte {
	b := make([]byte, size)
	for i := 0; i+8 <= len(b); i += 8 {
		for j, v := 0, rnd.Uint64(); j < 8; j++ {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}

// settled waits until each node has the values that keys refer to, and nothing besides, and
// uses about as much memory as it once did.
func (c *cluster) settled(level []int64) {
	c.t.Helper()
	keys, err := c.list(0, "")
	if err != nil {
		c.t.Fatal(err)
	}
	needed := make(map[uid.UID]bool)
	for _, key := range keys {
		needed[c.uidOf(key)] = true
	}
	want := make([]int64, len(c.names))
	for u := range needed {
		for i := range c.names {
			if c.owns(i, u.Slot()) {
				want[i]++
			}
		}
	}
	wrong := ""
	defer func() {
		if wrong != "" {
			c.t.Log(wrong)
		}
	}()
	c.eventually("what no key needs is gone", func() bool {
		wrong = ""
		for i, name := range c.names {
			switch s, err := c.status(i); {
			case err != nil:
				wrong = err.Error()
			case s.Values != want[i]:
				wrong = fmt.Sprintf("%s has %d values, not %d", name, s.Values, want[i])
			case level != nil && s.MemoryUsed > level[i]+level[i]/4+1<<20:
				wrong = fmt.Sprintf("%s uses %d bytes, before it were %d", name, s.MemoryUsed, level[i])
			}
		}
		return wrong == ""
	})
}

// uidOf is the value of a key, which must be there.
func (c *cluster) uidOf(key string) (u uid.UID) {
	c.t.Helper()
	c.eventually(key+" is found", func() bool {
		res, err := c.http.Head("http://" + c.rest(0) + "/" + key)
		if err != nil {
			return false
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			u, err = uid.Parse(strings.Trim(res.Header.Get("ETag"), `"`))
		}
		return err == nil && res.StatusCode == http.StatusOK
	})
	return u
}

func (c *cluster) memory() []int64 {
	c.t.Helper()
	out := make([]int64, len(c.names))
	for i := range out {
		s, err := c.status(i)
		if err != nil {
			c.t.Error(err)
		}
		out[i] = s.MemoryUsed
	}
	return out
}

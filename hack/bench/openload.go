//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// openLoad is clients that send requests at set times, whether the last one was answered or
// not: what an answer took counts from when its request was due.
type openLoad struct {
	address   string
	conns     int
	perSecond int
	keys      int
	size      int
}

// latencies are what the answers took, sorted.
type latencies []time.Duration

// of is the latency that a share of the answers did not exceed.
func (l latencies) of(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(int(share*float64(len(l))), len(l)-1)]
}

// run sends requests until the context ends: half of them GET, half PUT of a new value.
func (o *openLoad) run(ctx context.Context) (latencies, error) {
	var mu sync.Mutex
	var all latencies
	var failed error
	var wg sync.WaitGroup
	for i := range o.conns {
		wg.Go(func() {
			some, err := o.client(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, some...), errors.Join(failed, err)
		})
	}
	wg.Wait()
	slices.Sort(all)
	return all, failed
}

func (o *openLoad) client(ctx context.Context, n int) (took latencies, err error) {
	c, err := net.Dial("tcp", o.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 16<<10)
	gap := time.Second * time.Duration(o.conns) / time.Duration(o.perSecond)
	random := rand.New(rand.NewPCG(uint64(n), uint64(time.Now().UnixNano())))
	value := filler(o.size)
	value = append(value, make([]byte, o.size-len(value))...)
	var request []byte
	for due := time.Now().Add(gap * time.Duration(n) / time.Duration(o.conns)); ; due = due.Add(gap) {
		select {
		case <-ctx.Done():
			return took, nil
		case <-time.After(time.Until(due)):
		}
		request = request[:0]
		key := random.IntN(o.keys)
		if len(took)%2 == 0 {
			request = fmt.Appendf(request, "GET /load-%06d HTTP/1.1\r\nHost: bench\r\n\r\n", key)
		} else {
			binary.BigEndian.PutUint64(value[len(value)-8:], random.Uint64())
			request = fmt.Appendf(request, "PUT /load-%06d HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n", key, len(value))
			request = append(request, value...)
		}
		if _, err := c.Write(request); err != nil {
			return took, err
		}
		if err := readAnswer(r); err != nil {
			return took, err
		}
		took = append(took, time.Since(due))
	}
}

func readAnswer(r *bufio.Reader) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answer %s", resp.Status)
	}
	return nil
}

// fill puts so many values, each under a key of its own, as fast as they are taken.
func (o *openLoad) fill(prefix string, count int, value func(i int, b []byte)) error {
	var wg sync.WaitGroup
	errs := make([]error, o.conns)
	for w := range o.conns {
		wg.Go(func() {
			c, err := net.Dial("tcp", o.address)
			if err != nil {
				errs[w] = err
				return
			}
			defer c.Close()
			r, b := bufio.NewReaderSize(c, 4<<10), make([]byte, o.size)
			var request []byte
			for i := w; i < count && errs[w] == nil; i += o.conns {
				value(i, b)
				request = fmt.Appendf(request[:0], "PUT /%s-%06d HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n", prefix, i, o.size)
				if _, err := c.Write(append(request, b...)); err != nil {
					errs[w] = err
					return
				}
				errs[w] = readAnswer(r)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

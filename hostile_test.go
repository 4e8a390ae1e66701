package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// foundCluster makes the node at a peer port a cluster of one.
func foundCluster(ctx context.Context, secret *uid.Secret, address string) error {
	l := &layout.Layout{Cluster: layout.NewID(), Epoch: 1}
	d := peer.Dialer{Key: secret.PeerKey(), Self: func() peer.Hello { return peer.Hello{Name: "test"} }}
	c, err := d.Dial(ctx, address, layout.ID{})
	if err != nil {
		return err
	}
	defer c.Close()
	name, err := layout.ParseName(c.Remote().Name)
	if err != nil {
		return err
	}
	l.Members = []layout.Member{{Name: name, Address: address, Incarnation: c.Remote().Incarnation, JoinEpoch: 1, Phase: layout.Serving}}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	_, err = peer.PushLayout(ctx, c, l)
	return err
}

// memoryGroup makes a cgroup with a memory limit and returns the command that moves a
// shell into it, and how to read its peak.
func memoryGroup(t *testing.T, limit int64) (enter string, peak func() int64) {
	t.Helper()
	name := fmt.Sprintf("seppen-test-%d", os.Getpid())
	for _, v := range []struct{ root, limit, peak string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.peak"},
	} {
		dir := filepath.Join(v.root, name)
		if _, err := os.Stat(filepath.Join(v.root, "cgroup.procs")); err != nil || os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 100 { // the last process may still be leaving
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		if os.WriteFile(filepath.Join(dir, v.limit), []byte(strconv.FormatInt(limit, 10)), 0o644) != nil {
			continue
		}
		return "echo $$ > " + filepath.Join(dir, "cgroup.procs"), func() int64 {
			b, err := os.ReadFile(filepath.Join(dir, v.peak))
			if err != nil {
				return 0
			}
			n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			return n
		}
	}
	t.Skip("left out: no cgroup with a memory limit can be made here (not root, or no memory controller)")
	return "", nil
}

// A hostile client fills a node in a cgroup of 256 MiB to its limit and beyond, with
// large and small values, long keys, bodies that never end, answers that are never
// read, and more connections than are welcome. The process lives, refuses with 507,
// still reads and deletes, and takes writes again once there is room (promise 7).
func TestHostileClient(t *testing.T) {
	const limit = 256 << 20
	enter, peak := memoryGroup(t, limit)
	n := startNode(t, []string{"/bin/sh", "-c", enter + ` && exec "$0" "$@"`}, "--body-timeout", "3s")
	address := strings.TrimPrefix(n.url, "http://")

	if status, _ := request(http.MethodPut, n.url+"/first", []byte("kept")); status != http.StatusCreated {
		t.Fatalf("the first PUT: %d", status)
	}
	big := bytes.Repeat([]byte("b"), 8<<20)
	if status, _ := request(http.MethodPut, n.url+"/big", big); status != http.StatusCreated {
		t.Fatalf("a PUT of 8 MiB: %d", status)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	var refused, stored, other atomic.Int64
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() { fill(ctx, n.url, i, &stored, &refused, &other) })
	}
	for i := range 150 {
		wg.Go(func() { stall(ctx, address, i) })
	}
	wg.Wait()
	t.Logf("stored %d, refused %d, otherwise %d; peak %d MiB of %d", stored.Load(), refused.Load(), other.Load(), peak()>>20, limit>>20)
	if refused.Load() == 0 {
		t.Error("nothing was refused: the limit was not reached")
	}
	select {
	case err := <-n.done:
		n.done = nil
		t.Fatalf("the node died: %v\n%s", err, n.log)
	default:
	}
	if status, body := request(http.MethodGet, n.url+"/first", nil); status != http.StatusOK || string(body) != "kept" {
		t.Errorf("at the limit GET: %d %s", status, body)
	}
	if status, body := request(http.MethodGet, n.url+"/big", nil); status != http.StatusOK || !bytes.Equal(body, big) {
		t.Errorf("at the limit GET of 8 MiB: %d, %d bytes", status, len(body))
	}
	if status, _ := request(http.MethodDelete, n.url+"/big", nil); status != http.StatusNoContent {
		t.Errorf("at the limit DELETE: %d", status)
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if status, body := request(http.MethodPut, n.url+"/later", big[1:]); status == http.StatusCreated {
			break
		} else if status != http.StatusInsufficientStorage || time.Now().After(deadline) {
			t.Fatalf("after the DELETE a PUT of the same size: %d %s", status, body)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// fill puts distinct values of one size as fast as it can.
func fill(ctx context.Context, url string, i int, stored, refused, other *atomic.Int64) {
	size := []int{1 << 20, 100, 300 << 10, 5000}[i%4]
	long := ""
	if i%8 == 1 {
		long = strings.Repeat("k", 3000)
	}
	value := make([]byte, size)
	for j := uint64(0); ctx.Err() == nil; j++ {
		binary.BigEndian.PutUint64(value, uint64(i)<<40|j)
		switch status, _ := request(http.MethodPut, fmt.Sprintf("%s/fill/%d/%d%s", url, i, j, long), value); status {
		case http.StatusCreated:
			stored.Add(1)
		case http.StatusInsufficientStorage:
			refused.Add(1)
		default:
			other.Add(1)
		}
	}
}

// stall keeps a connection busy without ever finishing anything.
func stall(ctx context.Context, address string, i int) {
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(4 * time.Second)) //nolint:errcheck // it need not be polite
		switch i % 3 {
		case 0: // a body that never ends
			fmt.Fprintf(c, "PUT /never/%d HTTP/1.1\r\nHost: x\r\nContent-Length: 60000000\r\n\r\n%s", i, strings.Repeat("z", 200<<10))
		case 1: // a header that never ends
			fmt.Fprintf(c, "GET /x HTTP/1.1\r\nHost: x\r\nX-Long: %s", strings.Repeat("y", 20<<10))
		case 2: // an answer that is never read
			for range 20 {
				fmt.Fprint(c, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(2 * time.Second):
		}
		c.Close()
	}
}

// Without the secret nothing is served on the peer port, and the secret is not to be
// found on it.
func TestPeerPortWithoutSecret(t *testing.T) {
	n := startNode(t, nil)
	wrong, err := uid.NewSecret([]byte("wrong"))
	if err != nil {
		t.Fatal(err)
	}
	if err := foundCluster(t.Context(), wrong, n.peer); err == nil {
		t.Error("a layout was taken from someone without the secret")
	}
	resp, err := http.Get("http://" + n.peer + "/")
	if err == nil {
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		t.Errorf("HTTP on the peer port: %s %s", resp.Status, b)
	}
}

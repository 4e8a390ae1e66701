package node

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Any node answers for any key, whoever owns it, whatever its size.
func TestAnyNodeAnyKey(t *testing.T) {
	t.Parallel()
	for _, shape := range [][2]int{{1, 1}, {3, 1}, {3, 2}, {1, 3}, {5, 3}} {
		t.Run(fmt.Sprintf("%dx%d", shape[0], shape[1]), func(t *testing.T) {
			c := startCluster(t, shape[0], shape[1], plenty, nil)
			var keys []string
			for i, size := range []int{0, 1, 100, 4096, 4097, 64 << 10, 64<<10 + 1, 1 << 20, 5<<20 + 7, 128, 128, 128, 128} {
				key := fmt.Sprintf("dir/key-%02d", i)
				value := make([]byte, size)
				rand.NewChaCha8([32]byte{byte(i)}).Read(value) //nolint:errcheck // it never fails
				via := i % len(c.nodes)
				r := c.do(via, "PUT", key, value, "Content-Type", "x/y")
				if r.status != 201 || r.header.Get("ETag") != c.secret.Sum(value).ETag() {
					t.Fatalf("PUT %d bytes: %d %s %v", size, r.status, r.body, r.header)
				}
				keys = append(keys, key)
				for j := range c.nodes {
					g := c.do(j, "GET", key, nil)
					if g.status != 200 || !bytes.Equal(g.body, value) || g.header.Get("Content-Type") != "x/y" {
						t.Fatalf("GET %d bytes at node %d: %d, %d bytes %v %.200q", size, j, g.status, len(g.body), g.header, g.body)
					}
				}
			}
			for j := range c.nodes {
				if got := c.do(j, "GET", "", nil); string(got.body) != strings.Join(keys, "\n") {
					t.Errorf("list at node %d: %q", j, got.body)
				}
			}
			if r := c.do(len(c.nodes)-1, "PUT", keys[0], []byte("again")); r.status != 204 {
				t.Errorf("replacing: %d", r.status)
			}
			for i, key := range keys {
				if r := c.do(i%len(c.nodes), "DELETE", key, nil); r.status != 204 {
					t.Errorf("DELETE: %d %s", r.status, r.body)
				}
				for j := range c.nodes {
					if r := c.do(j, "GET", key, nil); r.status != 404 || len(r.body) != 0 {
						t.Errorf("GET of a deleted key: %d %q", r.status, r.body)
					}
				}
			}
			c.eventually(func() bool {
				return !slices.ContainsFunc(c.nodes, func(n *running) bool {
					s := n.store.Stats()
					return s.Values != 0 || s.Tombstones != 0
				})
			}, "values without keys and tombstones are gone")
		})
	}
}

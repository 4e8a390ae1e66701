package node

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/http"
	"testing"

	"github.com/eiri/seppen/api/layout"
)

// valueOnly returns a value of so many bytes that only the given node owns.
func (c *cluster) valueOnly(node, size int, seed uint64) []byte {
	t := layout.NewTable(c.layout)
	value := make([]byte, size)
	for ; ; seed += 1000 {
		binary.BigEndian.PutUint64(value, seed)
		if t.Owners(c.secret.Sum(value).Slot()).Primary.Incarnation == c.nodes[node].state.Incarnation() {
			return value
		}
	}
}

func (c *cluster) keyOf(node int, prefix string) string {
	t := layout.NewTable(c.layout)
	for i := 0; ; i++ {
		key := fmt.Sprint(prefix, i)
		if t.Owners(c.secret.KeySlot(key)).Primary.Incarnation == c.nodes[node].state.Incarnation() {
			return key
		}
	}
}

// A node whose own memory is full takes writes for an owner that has room, and values
// that are too large to be taken in pass through it whole, never in part.
func TestFullNodePassesOn(t *testing.T) {
	c := startCluster(t, 2, 1, memory{store: 64 << 20, transit: 1 << 20, heap: 1 << 30, conns: 100}, nil)
	key := c.keyOf(0, "mine")
	for i := uint64(0); ; i++ { // fill node 0
		r := c.do(0, http.MethodPut, fmt.Sprintf("%s-%d", key, i), c.valueOnly(0, 1<<20, i))
		if r.status == http.StatusInsufficientStorage {
			break
		}
		if r.status != http.StatusCreated {
			t.Fatalf("PUT: %d %s", r.status, r.body)
		}
	}
	theirs := c.keyOf(1, "theirs")
	value := c.valueOnly(1, 700<<10, 5)
	if r := c.do(0, http.MethodPut, theirs, value); r.status != http.StatusCreated {
		t.Errorf("PUT of a value that the other node owns: %d %s", r.status, r.body)
	}
	large := c.valueOnly(1, 3<<20, 7)
	if r := c.do(1, http.MethodPut, theirs+"-large", large); r.status != http.StatusCreated {
		t.Fatalf("PUT at the other node: %d %s", r.status, r.body)
	}
	if r := c.do(0, http.MethodGet, theirs+"-large", nil); r.status != http.StatusOK || !bytes.Equal(r.body, large) {
		t.Errorf("GET of what can't be taken in: %d, %d bytes", r.status, len(r.body))
	}
	if r := c.do(0, http.MethodGet, theirs+"-large", nil, "Range", "bytes=5-9"); r.status != http.StatusOK || !bytes.Equal(r.body, large) {
		t.Errorf("Range of what can't be taken in: %d, %d bytes, want the whole", r.status, len(r.body))
	}
	if r := c.do(0, http.MethodGet, theirs, nil, "Range", "bytes=5-9"); r.status != http.StatusPartialContent || !bytes.Equal(r.body, value[5:10]) {
		t.Errorf("Range of what can be taken in: %d, %d bytes", r.status, len(r.body))
	}
	// A corrupt copy that passes is cut off before its end: the client never has the whole.
	owner := c.nodes[1].store
	u := c.secret.Sum(large)
	owner.Drop(u)
	bad := append([]byte(nil), large...)
	bad[100] ^= 1
	staged, err := owner.Stage(int64(len(bad)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := staged.Write(bad); err != nil {
		t.Fatal(err)
	}
	owner.Install(u, staged, 0)
	if r, err := c.try(0, http.MethodGet, theirs+"-large", nil); err == nil && r.status == http.StatusOK {
		t.Errorf("a corrupt value passed whole: %d bytes", len(r.body))
	}
}

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/wire"
)

// refuses checks that a node answers nothing at all.
func (c *cluster) refuses(url string, reason kv.Reason) {
	c.t.Helper()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		c.refusedAt(url, method, "k", reason)
	}
	c.refusedAt(url, "GET", "", reason)
}

// A node that is in no layout knows nothing, and says so (§4.3).
func TestNoLayout(t *testing.T) {
	c := startCluster(t, 1, 1, plenty, nil)
	stranger := startNode(t, c.layout.Members[0].Name, plenty, nil)
	c.refuses(stranger.url, kv.NoLayout)
	if stranger.Ready() == nil {
		t.Error("ready without a layout")
	}
	c.push(stranger, c.layout)
	c.refuses(stranger.url, kv.NotMember)
	if stranger.Ready() == nil {
		t.Error("ready outside of the layout")
	}
	if r := c.do(0, "PUT", "k", []byte("v")); r.status != 201 {
		t.Errorf("PUT at the one who is in it: %d", r.status)
	}
}

// with returns the next layout, in which a node is joining. No slot has other owners.
func (c *cluster) with(n *running) *layout.Layout {
	l := *c.layout
	l.Epoch++
	l.Members = append(slices.Clone(l.Members), layout.Member{
		Name: n.cfg.Name, Address: n.peerAddr, Incarnation: n.state.Incarnation(), JoinEpoch: l.Epoch, Phase: layout.Joining,
	})
	return &l
}

// A member that is joining passes everything on, though none of the others has heard of
// it: they get the layout from it. What it has copied it does not answer by.
func TestJoiningMemberPassesOn(t *testing.T) {
	for _, size := range []int{10, 300 << 10} { // of calls, and of bodies
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := startCluster(t, 3, 2, plenty, nil)
			joining := startNode(t, layout.Name{Base: "snow-r2", Range: layout.Range{Lo: 0, Hi: 169}}, plenty, nil)
			l := c.with(joining)
			if err := l.Validate(); err != nil {
				t.Fatal(err)
			}
			c.push(joining, l)
			if joining.Ready() == nil {
				t.Error("a joining member is ready")
			}
			for i, primary := range [][]int{{0, 2}, {1, 0}, {2, 1}} {
				key, value := c.keyAt(primary...), c.valueAt(size, primary...)
				ask := func(method string, body []byte, want int) {
					t.Helper()
					r := c.doAt(joining.url, method, key, body)
					if r.status != want || method == "GET" && want == 200 && !bytes.Equal(r.body, value) {
						t.Errorf("%s through the joining member: %d %.100s", method, r.status, r.body)
					}
				}
				ask("GET", nil, 404)
				ask("PUT", value, 201)
				ask("GET", nil, 200)
				for _, owner := range primary {
					if !c.holds(owner, value) {
						t.Errorf("node %d has not the value", owner)
					}
				}
				if r := c.do(i, "GET", key, nil); r.status != 200 {
					t.Errorf("GET at node %d: %d", i, r.status)
				}
				ask("DELETE", nil, 204)
			}
			if r := c.doAt(joining.url, "GET", "", nil); r.status != 200 || len(r.body) != 0 {
				t.Errorf("list: %d %q", r.status, r.body)
			}
			for i, n := range c.nodes {
				if n.state.Epoch() != 2 {
					t.Errorf("node %d is in epoch %d", i, n.state.Epoch())
				}
			}
			for s := range layout.Slots {
				if st := joining.replica.State(uint8(s), clock.Now()); st.Owner || st.Active || st.Complete {
					t.Fatalf("slot %d: %+v", s, st)
				}
			}
		})
	}
}

// A node that came back with nothing is a stranger: what it owned before it does not
// deny, and what others have it passes on (valkey issue 579, olric issue 225).
func TestRestartedNode(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, slow)
	value := func(primary ...int) []byte { return c.valueAt(5000, primary...) }
	mine, theirs := c.keyAt(2, 1), c.keyAt(1, 0)
	for _, v := range []struct {
		key   string
		value []byte
	}{{mine, value(1, 0)}, {theirs, value(2, 1)}} {
		if r := c.do(0, "PUT", v.key, v.value); r.status != 201 {
			t.Fatal(r.status)
		}
	}
	if err := c.nodes[2].stop(); err != nil {
		t.Fatal(err)
	}
	again := startNode(t, c.nodes[2].cfg.Name, plenty, func(cfg *Config) {
		slow(cfg)
		cfg.PeerListen = c.nodes[2].peerAddr
	})
	check := func() {
		t.Helper()
		for _, url := range []string{c.nodes[0].url, c.nodes[1].url, again.url} {
			if r, err := c.request(url, "GET", theirs, nil); err != nil || r.status != 200 || !bytes.Equal(r.body, value(2, 1)) {
				t.Errorf("GET of what the others have: %d %v", r.status, err)
			}
			if r, err := c.request(url, "GET", mine, nil); err != nil || r.status != 503 {
				t.Errorf("GET of what nobody may answer for: %d %v", r.status, err)
			}
			if r, err := c.request(url, "PUT", mine, []byte("x")); err != nil || r.status != 503 {
				t.Errorf("PUT where the primary is gone: %d %v", r.status, err)
			}
			if r, err := c.request(url, "GET", "", nil); err != nil || r.status != 503 {
				t.Errorf("a list without the keys of the one who is gone: %d %v", r.status, err)
			}
		}
	}
	c.refuses(again.url, kv.NoLayout)
	l := c.with(again)
	c.push(again, l)
	check()
	for _, n := range c.nodes[:2] {
		c.push(n, l)
	}
	check()
}

// Whoever asks by an older layout gets the newer one if the owners changed. Until the new
// view's primary knows what all owners know, what is theirs is refused: never denied, never
// stale. Then all of it is there.
func TestOlderLayout(t *testing.T) {
	t.Parallel()
	c := startCluster(t, 3, 2, plenty, slow)
	mine, theirs := c.keyAt(1, 0), []string{c.keyAt(0, 2), c.keyAt(2, 1)}
	large := c.valueAt(300<<10, 1, 0)
	for _, k := range append(theirs, mine) {
		c.do(0, "PUT", k, large)
	}
	c.nodes[0].gate.hold(wire.OpGather)
	c.write(func(d *draft) { d.touch(c.nodes[1]) })
	c.tell(c.nodes[1])
	c.nodes[0].gate.holds(c)
	var all sync.WaitGroup
	for i := range c.nodes { // each of these waits for a while before it is refused
		all.Go(func() { c.refused(i, "GET", mine, kv.TakingOver) })
		all.Go(func() { c.refused(i, "PUT", mine, kv.TakingOver) })
		all.Go(func() { c.refused(i, "GET", "", kv.TakingOver) }) // a list that leaves some out
		all.Go(func() {
			for _, k := range theirs {
				if r := c.do(i, "GET", k, nil); r.status != 200 || !bytes.Equal(r.body, large) {
					t.Errorf("GET of another key at node %d: %d", i, r.status)
				}
			}
		})
	}
	all.Wait()
	for i, n := range c.nodes {
		if n.state.Epoch() != 2 {
			t.Errorf("node %d is in epoch %d", i, n.state.Epoch())
		}
	}
	c.nodes[0].gate.open()
	for i := range c.nodes {
		for _, k := range append(theirs, mine) {
			if r := c.do(i, "GET", k, nil); r.status != 200 || !bytes.Equal(r.body, large) {
				t.Errorf("GET at node %d: %d", i, r.status)
			}
		}
		if r := c.do(i, "PUT", mine, large); r.status != 204 {
			t.Errorf("PUT at node %d: %d", i, r.status)
		}
	}
}

// refused checks that a request is not executed, and that its answer says why and when to
// try again.
func (c *cluster) refused(node int, method, key string, reason kv.Reason) {
	c.t.Helper()
	c.refusedAt(c.nodes[node].url, method, key, reason)
}

func (c *cluster) refusedAt(url, method, key string, reason kv.Reason) {
	c.t.Helper()
	r, err := c.request(url, method, key, []byte("x"))
	if err != nil || r.status != 503 || r.header.Get("Retry-After") == "" || r.header.Get("Seppen-Reason") != string(reason) ||
		method != "HEAD" && !strings.HasPrefix(string(r.body), string(reason)+": ") {
		c.t.Errorf("%s %s: %d %q %v %v, want 503 %s", method, key, r.status, r.body, r.header, err, reason)
	}
}

// A request is judged by what its sender knows of the slot: an older epoch will do if
// the slot's owners are the same since (R3).
func TestEpochsOfRequests(t *testing.T) {
	c := startCluster(t, 3, 1, plenty, nil)
	l := *c.layout
	l.Epoch, l.Segments = 3, slices.Clone(l.Segments)
	changed, same := c.keyAt(1), c.keyAt(0)
	table := layout.NewTable(c.layout)
	for i := range l.Segments {
		if table.Owners(l.Segments[i].Lo).Primary.Incarnation == c.nodes[1].state.Incarnation() {
			l.Segments[i].View = 2
		}
	}
	c.push(c.nodes[0], &l)
	conn, err := c.dialer().Dial(t.Context(), c.nodes[0].peerAddr, layout.ID{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	bulk, err := c.dialer().DialBulk(t.Context(), c.nodes[0].peerAddr, layout.ID{})
	if err != nil {
		t.Fatal(err)
	}
	defer bulk.Close()
	uidOf := func(node int) []byte {
		u := c.secret.Sum(c.valueAt(10, node))
		return u[:]
	}
	lookup := func(key string) []byte { return (&wire.Lookup{Key: key}).Append(nil) }
	write := func(key string) []byte { return (&wire.Write{Key: key, Delete: true}).Append(nil) }
	for _, q := range []struct {
		op      peer.Op
		payload []byte
		epoch   uint64
		want    peer.Code
	}{
		{wire.OpLookup, lookup(same), 1, wire.CodeNotFound},
		{wire.OpLookup, lookup(same), 3, wire.CodeNotFound},
		{wire.OpLookup, lookup(same), 4, peer.CodeNeedLayout},
		{wire.OpLookup, lookup(changed), 1, peer.CodeStale},
		{wire.OpLookup, lookup(changed), 2, peer.CodeRefused}, // it is not the primary
		{wire.OpOrder, write(same), 1, wire.CodeNotFound},
		{wire.OpOrder, write(same), 4, peer.CodeNeedLayout},
		{wire.OpOrder, write(changed), 1, peer.CodeStale},
		{wire.OpValue, uidOf(0), 1, wire.CodeGone},
		{wire.OpValue, uidOf(0), 4, peer.CodeNeedLayout},
		{wire.OpValue, uidOf(1), 1, peer.CodeStale},
		{wire.OpTouch, append(uidOf(1), 0), 1, peer.CodeStale},
		{wire.OpList, (&wire.List{Keys: 1}).Append(nil), 1, peer.CodeStale},
		{wire.OpList, (&wire.List{Keys: 1}).Append(nil), 2, peer.CodeOK},
		{wire.OpRefs, (&wire.Refs{}).Append(nil), 1, peer.CodeStale},
		{wire.OpRefs, (&wire.Refs{}).Append(nil), 4, peer.CodeNeedLayout},
	} {
		r, err := conn.Call(t.Context(), 5*time.Second, q.op, q.epoch, q.payload, nil)
		if err != nil || r.Code != q.want {
			t.Errorf("operation %d at epoch %d: %s %.60q %v, want %s", q.op, q.epoch, r.Code, r.Payload, err, q.want)
		}
		if got, err := layout.Decode(r.Payload); q.want == peer.CodeStale && (err != nil || got.Epoch != 3) {
			t.Errorf("operation %d: the newer layout does not come with the refusal: %v", q.op, err)
		}
		if q.op != wire.OpValue {
			continue
		}
		r, _, _, err = bulk.Exchange(t.Context(), q.op, q.epoch, q.payload, 0, nil)
		if err != nil || r.Code != q.want {
			t.Errorf("body at epoch %d: %s %v, want %s", q.epoch, r.Code, err, q.want)
		}
	}
}

// There is one layout of an epoch; another is no work of the cluster's author (F14).
func TestTwoLayoutsOfOneEpoch(t *testing.T) {
	c := startCluster(t, 3, 2, plenty, nil)
	forged := *c.layout
	forged.Members = slices.Clone(forged.Members)
	forged.Members[0].Phase = layout.Leaving
	conn, err := c.dialer().Dial(context.Background(), c.nodes[1].peerAddr, layout.ID{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := peer.PushLayout(t.Context(), conn, &forged); err == nil {
		t.Error("a second layout of epoch 1 was taken")
	}
	if c.nodes[1].state.Table().Layout.Hash() != c.layout.Hash() {
		t.Error("the layout was changed")
	}
	stray := forged
	stray.Cluster, stray.Epoch = layout.NewID(), 5
	if _, err := peer.PushLayout(t.Context(), conn, &stray); err == nil {
		t.Error("another cluster's layout was taken")
	}
	if errors.Is(c.nodes[1].Ready(), nil) && c.do(1, "PUT", "k", nil).status != 201 {
		t.Error("the node does not go on")
	}
}

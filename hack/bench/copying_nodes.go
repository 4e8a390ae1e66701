//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// nodes are the node that has everything and one that joins, and their author.
type nodes struct {
	dir, seppen, secretFile string
	secret                  *uid.Secret
	cluster                 layout.ID
	epoch                   uint64
	count                   int
	from, to                *joined
	others                  []*process
}

// joined is a node's process.
type joined struct {
	*process
	name       layout.Name
	rest, peer string
	conn       *peer.Conn
}

// start starts a node.
func (n *nodes) start(ctx context.Context, at *place, name string) (*joined, error) {
	n.count++
	j := &joined{name: layout.Name{Base: name + strconv.Itoa(n.count), Range: layout.Range{Lo: 0, Hi: 255}}}
	var admin string
	for i, address := range []*string{&j.rest, &j.peer, &admin} {
		var err error
		if *address, err = at.address(21400 + 10*n.count + i); err != nil {
			return nil, err
		}
	}
	command := at.command(n.seppen, "node", "--name", j.name.String(), "--listen", j.rest, "--peer-listen", j.peer, "--admin-listen", admin,
		"--secret-file", n.secretFile, "--memory-limit", "3GiB", "--log-format", "json")
	var err error
	if j.process, err = start(n.dir, j.name.String(), command[0], command[1:]...); err != nil {
		return nil, err
	}
	d := &peer.Dialer{Key: n.secret.PeerKey(), Self: func() peer.Hello { return peer.Hello{Cluster: n.cluster, Name: "author"} }}
	for {
		if j.conn, err = d.Dial(ctx, j.peer, layout.ID{}); err == nil {
			return j, nil
		}
		if stop := errors.Join(j.alive(), pause(ctx, 20*time.Millisecond)); stop != nil {
			j.stop()
			return nil, errors.Join(err, stop)
		}
	}
}

// layout hands out one with a node that joins, or without.
func (n *nodes) layout(ctx context.Context, joins *joined) error {
	if n.epoch++; n.epoch == 1 {
		n.cluster = layout.NewID()
	}
	l := &layout.Layout{Cluster: n.cluster, Epoch: n.epoch, Segments: []layout.Segment{{View: 1, Order: []uint16{0}}}}
	phase := layout.Serving
	for _, j := range []*joined{n.from, joins} {
		if j == nil {
			continue
		}
		l.Members = append(l.Members, layout.Member{
			Name: j.name, Address: j.peer, Incarnation: j.conn.Remote().Incarnation, JoinEpoch: 1, Phase: phase,
		})
		phase = layout.Joining
	}
	if err := l.Validate(); err != nil {
		return err
	}
	for _, j := range []*joined{n.from, joins} {
		if j == nil {
			continue
		}
		if _, err := peer.PushLayout(ctx, j.conn, l); err != nil {
			return err
		}
	}
	return nil
}

// copy starts a node, has it join, and returns how long it took to copy everything and how much
// CPU time the two nodes had meanwhile. The node is gone then.
func (n *nodes) copy(ctx context.Context, to *place) (took, cpu time.Duration, err error) {
	if n.to, err = n.start(ctx, to, "joins"); err != nil {
		return 0, 0, err
	}
	before, err := n.cpu()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := n.layout(ctx, n.to); err != nil {
		return 0, 0, err
	}
	for {
		s, err := peer.FetchStatus(ctx, n.to.conn)
		if err != nil {
			return 0, 0, errors.Join(err, n.to.alive())
		}
		if s.Phase != "" && s.CopyBytesLeft == 0 {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", s.Reason, err)
		}
	}
	took = time.Since(began)
	after, err := n.cpu()
	if err != nil {
		return 0, 0, err
	}
	if err := n.layout(ctx, nil); err != nil {
		return 0, 0, err
	}
	n.to.conn.Close()
	n.to.stop()
	n.to = nil
	return took, after - before, nil
}

func (n *nodes) cpu() (sum time.Duration, err error) {
	for _, j := range []*joined{n.from, n.to} {
		d, err := j.cpu()
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

func (n *nodes) stop() {
	for _, j := range []*joined{n.to, n.from} {
		if j != nil {
			j.process.stop()
		}
	}
	for _, p := range n.others {
		p.stop()
	}
}

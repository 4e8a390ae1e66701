//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// target is something that answers: the bare server or a cluster, through one node.
type target struct {
	name      string
	url       string
	admin     []string // of its nodes
	processes []*process
	// at is where keys and values of the measurement live: nil means anywhere.
	at *layout.Range
}

func (t *target) stop() {
	for _, p := range t.processes {
		p.stop()
	}
}

func (t *target) alive() error {
	for _, p := range t.processes {
		if err := p.alive(); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// cpu is the time that all processes have had together.
func (t *target) cpu() (sum time.Duration, err error) {
	for _, p := range t.processes {
		d, err := p.cpu()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", t.name, err)
		}
		sum += d
	}
	return sum, nil
}

// troubles are the counts of errors in the nodes' metrics, to explain a failed row.
func (t *target) troubles(ctx context.Context) string {
	var out []string
	for _, url := range t.admin {
		text, err := get(ctx, url+"/metrics")
		if err != nil {
			return err.Error()
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, `code="5`) || strings.HasPrefix(line, "seppen_peer_call_errors_total{") {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(out, "; ")
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func startBare(ctx context.Context, dir, bin string) (*target, error) {
	p, err := start(dir, "bare", filepath.Join(bin, "bare"))
	if err != nil {
		return nil, err
	}
	t := &target{name: "bare", processes: []*process{p}}
	address, err := p.firstLine(ctx)
	if err != nil {
		t.stop()
		return nil, err
	}
	t.url = "http://" + address
	return t, nil
}

// author makes clusters: it starts the nodes and hands them their layout.
type author struct {
	dir, seppen, secretFile, memory string
	secret                          *uid.Secret
}

// cluster starts a node for each name and waits until all serve. Requests go to the
// first one.
func (a *author) cluster(ctx context.Context, name string, names []layout.Name) (t *target, err error) {
	t = &target{name: name}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			t.stop()
		}
	}()
	l := &layout.Layout{Cluster: layout.NewID(), Epoch: 1}
	for _, n := range names {
		ports, err := freePorts(3)
		if err != nil {
			return t, err
		}
		p, err := start(a.dir, name+"."+n.String(), a.seppen, "node", "--name", n.String(),
			"--listen", ports[0], "--peer-listen", ports[1], "--admin-listen", ports[2],
			"--secret-file", a.secretFile, "--memory-limit", a.memory, "--log-format", "json")
		if err != nil {
			return t, err
		}
		t.processes = append(t.processes, p)
		if t.url == "" {
			t.url = "http://" + ports[0]
		}
		t.admin = append(t.admin, "http://"+ports[2])
		l.Members = append(l.Members, layout.Member{Name: n, Address: ports[1], JoinEpoch: 1, Phase: layout.Serving})
	}
	return t, a.lead(ctx, t, l)
}

// lead completes the layout with the incarnations, pushes it, and waits until every
// node is ready.
func (a *author) lead(ctx context.Context, t *target, l *layout.Layout) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	d := &peer.Dialer{Key: a.secret.PeerKey(), Self: func() peer.Hello { return peer.Hello{Cluster: l.Cluster, Name: "author"} }}
	conns := make([]*peer.Conn, len(l.Members))
	for i := range l.Members {
		m := &l.Members[i]
		for {
			c, err := d.Dial(ctx, m.Address, layout.ID{})
			if err == nil {
				defer c.Close()
				conns[i], m.Incarnation = c, c.Remote().Incarnation
				break
			}
			if stop := errors.Join(t.alive(), pause(ctx, 20*time.Millisecond)); stop != nil {
				return errors.Join(err, stop)
			}
		}
	}
	l.Segments = layout.SegmentsOf(l.Members, l.Epoch)
	if err := l.Validate(); err != nil {
		return err
	}
	for _, c := range conns {
		if _, err := peer.PushLayout(ctx, c, l); err != nil {
			return err
		}
	}
	for _, c := range conns {
		for {
			s, err := peer.FetchStatus(ctx, c)
			if err != nil {
				return err
			}
			if s.Ready {
				break
			}
			if err := pause(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("%s: %s: %w", s.Name, s.Reason, err)
			}
		}
	}
	return nil
}

// freePorts returns loopback addresses that nobody listens on now.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}

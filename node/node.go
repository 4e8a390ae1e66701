// Package node is one node of a cluster: it joins the packages below it, from its
// configuration to a stop on SIGTERM.
package node

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/clock"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/admin"
	"github.com/eiri/seppen/node/cores"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/member"
	"github.com/eiri/seppen/node/owner"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/purge"
	"github.com/eiri/seppen/node/reclaim"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/replication"
	"github.com/eiri/seppen/node/rest"
	"github.com/eiri/seppen/node/router"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/transfer"
	"github.com/eiri/seppen/node/wire"
)

// Node is one node.
type Node struct {
	cfg     Config
	second  time.Duration // the length of one, of all times that are kept between nodes
	log     *slog.Logger
	state   *member.State
	store   *store.Store
	replica *replica.Machine
	driver  *replication.Driver
	peers   *peers.Peers
	owner   *owner.Owner
	reclaim *reclaim.Reclaimer
	copier  *transfer.Copier
	purge   *purge.Purger
	router  *router.Router

	*ends
	stopping  atomic.Bool
	life      context.Context //nolint:containedctx // ends what works in the background when the node stops
	end       context.CancelFunc
	wiped     bool         // it was removed, and nothing of its memory is left
	servingAt atomic.Int64 // since when this node serves, Unix nanoseconds; 0: it does not yet

	rest, admin *http.Server
	clients     *requests
	peer        *peer.Server
	service     *peers.Service
	background  sync.WaitGroup
	listening   func(listeners) // for tests; may be nil
}

// New joins the parts of a node. It serves nothing before Run.
func New(cfg Config, mem memory, log *slog.Logger) (*Node, error) {
	secret, err := uid.NewSecret(cfg.Secret)
	if err != nil {
		return nil, err
	}
	second := cmp.Or(cfg.second, time.Second)
	n := &Node{cfg: cfg, second: second, log: log, state: member.New(cfg.Name, log), ends: newEnds()}
	n.life, n.end = context.WithCancel(context.Background())
	self := n.state.Incarnation()
	start := time.Now()
	n.store = store.New(store.Options{
		Limit: mem.store, Transit: mem.transit, Now: func() uint32 { return uint32(time.Since(start) / second) },
	})
	registry := newRegistry()

	n.peers = peers.New(n.state, &peer.Dialer{Key: secret.PeerKey(), Self: n.state.Hello, TLS: cfg.PeerTLSClient}, peers.Options{
		Secret: secret, Store: n.store, Observer: newPeerMetrics(registry), Log: log, FreshClock: second,
		Marks:   func(m layout.ID, told *[layout.Slots]kv.Version) []wire.Mark { return n.replica.Marks(m, told) },
		Granted: func(by layout.ID, epoch uint64, sent time.Duration) { n.replica.Granted(by, epoch, sent) },
		Clock:   clock.Now, Second: second,
	})
	n.replica = replica.New(replica.Options{
		Self: self, Entries: entries{n.store}, Ready: n.peers.Ready, Tick: peer.Clock, Wall: time.Now, Second: second,
	})
	n.driver = replication.New(replication.Options{
		Machine: n.replica, Network: n.peers, Dropped: func(u uid.UID) { n.reclaim.Dropped(u) },
		Activated: n.peers.BeatSoon, Clock: clock.Now, Second: second,
	})
	n.owner = &owner.Owner{
		Self: self, Secret: secret, Store: n.store, Replica: n.replica, Driver: n.driver, Clock: clock.Now,
		Placed: func(u uid.UID) { n.reclaim.Placed(u) }, Hinted: func(u uid.UID) { n.reclaim.Hinted(u) },
		Doubt: n.doubt,
	}
	n.router = router.New(n.state, n.owner, n.peers, secret)
	n.reclaim = reclaim.New(reclaim.Options{
		Self: self, Table: n.state.Table, Values: n.store, Asker: asker{n.owner, n.peers}, Second: second,
	})
	n.purge = purge.New(purge.Options{
		Table: n.state.Table, Machine: purgeMachine{n.replica}, Owners: holders{n.owner, n.peers}, Entries: n.store, Second: second,
	})
	asking := &cores.Clients{}
	n.copier = transfer.New(transfer.Options{Log: log, Clients: asking, Parts: transfer.Parts{
		Self: self, Table: n.state.Table, Source: n.peers, Machine: n.replica,
		Values: &transfer.Memory{Store: n.store, Secret: secret, Placed: n.owner.Placed},
	}})
	n.state.OnAdopt(n.driver.Adopt)
	n.state.OnAdopt(n.peers.Adopt)
	n.state.OnAdopt(n.copier.Adopt)
	n.state.OnAdopt(n.noteServing)
	n.state.AfterAdopt(n.driver.Adopted)
	n.state.AfterAdopt(n.peers.BeatSoon)
	n.state.AfterAdopt(n.adopted)

	opt := rest.Options{
		MaxValue: cfg.MaxValue, BodyTimeout: cfg.BodyTimeout, MaxConns: cfg.MaxConns, Log: log, Metrics: rest.NewMetrics(registry),
		Closing: n.goes,
	}
	if opt.MaxConns == 0 {
		opt.MaxConns = mem.conns
	}
	n.clients = &requests{handler: rest.New(n.router, opt), clients: asking}
	n.rest = opt.Server(n.clients)
	n.rest.BaseContext = func(net.Listener) context.Context { return n.life }
	registry.MustRegister(newGauges(n))
	n.admin = admin.Server(admin.New(admin.Options{
		Ready: n.Ready, Status: n.Status, Gatherer: registry, OpenAPIYAML: rest.OpenAPI, OpenAPIJSON: rest.OpenAPIJSON,
	}))
	n.service = &peers.Service{State: n.state, Owner: n.owner, Status: n.Status, Heard: n.peers.Heard, Clients: asking}
	n.peer = &peer.Server{
		Key: secret.PeerKey(), Self: n.state.Hello, TLS: cfg.PeerTLSServer, Log: log, Calls: n.call, Bodies: n.service.Body,
	}
	n.cfg.MaxConns = opt.MaxConns
	return n, nil
}

// noteServing notes the layout with which this node begins to serve.
func (n *Node) noteServing(t *layout.Table) {
	if me := t.Member(n.state.Incarnation()); me != nil && me.Phase == layout.Serving {
		n.servingAt.CompareAndSwap(0, time.Now().UnixNano())
	}
}

// healTimeout is for how long a good copy is looked for in place of a bad one.
const healTimeout = 10 * time.Minute

// doubt checks a copy that was found corrupt elsewhere, and heals it.
func (n *Node) doubt(u uid.UID) {
	n.background.Go(func() {
		ctx, cancel := context.WithTimeout(n.life, healTimeout)
		defer cancel()
		switch bad, err := n.router.Heal(ctx, u); {
		case err != nil:
			n.log.Error("corrupt copy dropped and not healed", "uid", u.String(), "error", err)
		case bad:
			n.log.Warn("corrupt copy healed", "uid", u.String())
		default:
			n.log.Warn("copy is sound: it was damaged on its way", "uid", u.String())
		}
	})
}

package local

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
)

// TestMain makes this test's program the one that the cluster is run from: as `node`
// it is a fake node, as `local` the parent.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "node":
			os.Exit(fakeNode(os.Args[2:]))
		case "local":
			cmd := Command()
			cmd.SetArgs(os.Args[2:])
			cmd.SetOut(os.Stdout)
			cmd.SetErr(os.Stderr)
			if cmd.Execute() != nil {
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	goleak.VerifyTestMain(m)
}

// fake is a node without a store: it copies at once, and is complete and active at once.
// How it behaves otherwise is the first part of its name, up to a dot:
//
//	fails      exits at once
//	hangs      never listens
//	stubborn   ignores SIGTERM
//	unready    never serves
//	refuses    adopts no layout
//	disowned   says it has another name
//	witness    says that it hears of all others
//	sluggish   takes a second over each layout but the first
//	hesitant   refuses the first layout that it is offered, and breaks the connection
//	           over the next one
//	lingers    goes on for a while when it may stop, and complains if it is told again
//	full       has no memory for what it is to copy
//	quits      exits when it is no member any more, instead of going on as another
//	           incarnation
//
// SIGHUP makes it drop the connections to its peer port, SIGUSR1 makes it another
// incarnation at once.
type fake struct {
	name        layout.Name
	manner      string
	incarnation layout.ID

	mu      sync.Mutex
	layout  *layout.Layout
	peers   *tracker
	offers  int  // of layouts, so far
	ending  bool // it was told to stop
	retired bool // it was leaving, and is no member any more
	limit   int64
	free    chan struct{} // something happened by which it may end
}

func fakeNode(args []string) int {
	f := flag.NewFlagSet("node", flag.ExitOnError)
	name := f.String("name", "", "")
	rest := f.String("listen", "", "")
	peers := f.String("peer-listen", "", "")
	admin := f.String("admin-listen", "", "")
	secretFile := f.String("secret-file", "", "")
	lifeline := f.Int("lifeline", 0, "")
	memory := f.Int64("memory-limit", 0, "")
	format := f.String("log-format", "", "")
	f.Int64("max-value", 0, "")
	f.Duration("leave-timeout", 0, "")
	f.Duration("linger", 0, "")
	if err := f.Parse(args); err != nil || f.NArg() > 0 {
		return 2
	}
	parsed, err := layout.ParseName(*name)
	if err != nil || *memory <= 0 || *format != "text" {
		return 2
	}
	n := &fake{name: parsed, incarnation: layout.NewID(), free: make(chan struct{}, 1)}
	n.manner, _, _ = strings.Cut(parsed.Base, ".")

	go func() {
		io.Copy(io.Discard, os.NewFile(uintptr(*lifeline), "lifeline")) //nolint:errcheck // its end is what counts
		os.Exit(9)
	}()
	text, err := os.ReadFile(*secretFile)
	if err != nil {
		return complain(err)
	}
	secret, err := uid.NewSecret(text)
	if err != nil {
		return complain(err)
	}
	return n.run(secret, *rest, *peers, *admin)
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "fake node:", err)
	return 1
}

func (n *fake) run(secret *uid.Secret, rest, peers, admin string) int {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch n.manner {
	case "fails":
		log.Info("about to fail")
		log.Error("cannot go on", "why", "the test wants it")
		return 3
	case "hangs":
		<-stop
		return 0
	case "stubborn":
		signal.Stop(stop)
		signal.Ignore(syscall.SIGTERM)
	}
	var listeners []net.Listener
	for _, address := range []string{rest, admin, peers} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return complain(err)
		}
		listeners = append(listeners, l)
	}
	log.Info("fake node listens")
	log.Warn("fake node warns")
	server := &peer.Server{Key: secret.PeerKey(), Self: n.self, Log: log, Calls: n.call}
	n.peers = &tracker{Listener: listeners[2]}
	go n.obey()
	defer server.Serving(n.peers)()
	go http.Serve(listeners[0], http.HandlerFunc(n.serveREST)) //nolint:errcheck,gosec // it ends with the process
	<-stop
	n.end()
	if n.manner == "lingers" {
		n.linger(stop, log)
	}
	return 0
}

// end returns when the layout lets the node go, or the cluster is no more.
func (n *fake) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ending = true
	for n.duties() {
		n.mu.Unlock()
		<-n.free
		n.mu.Lock()
	}
}

// linger lets some time pass.
func (n *fake) linger(stop <-chan os.Signal, log *slog.Logger) {
	select {
	case <-stop:
		log.Warn("fake node was told to stop twice")
	case <-time.After(500 * time.Millisecond):
	}
}

func (n *fake) duties() bool { return n.phase().Acknowledges() }

// phase is the node's own, 0 if it is no member.
func (n *fake) phase() layout.Phase {
	if n.layout == nil {
		return 0
	}
	for _, m := range n.layout.Members {
		if m.Incarnation == n.incarnation {
			return m.Phase
		}
	}
	return 0
}

func (n *fake) happened() {
	select {
	case n.free <- struct{}{}:
	default:
	}
}

// obey does what signals say.
func (n *fake) obey() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	for s := range signals {
		if s == syscall.SIGUSR1 {
			n.mu.Lock()
			n.incarnation, n.layout = layout.NewID(), nil
			n.mu.Unlock()
		}
		n.peers.drop()
	}
}

// adopt takes a newer layout over.
func (n *fake) adopt(l *layout.Layout) {
	if n.layout != nil && l.Epoch <= n.layout.Epoch {
		return
	}
	defer n.happened()
	if n.layout != nil && has(n.layout, n.incarnation) && !has(l, n.incarnation) {
		if n.phase() == layout.Leaving {
			n.layout, n.retired = l, true
			return
		}
		if n.manner == "quits" {
			os.Exit(4)
		}
		n.incarnation, n.layout = layout.NewID(), nil
		n.peers.drop()
		return
	}
	n.layout = l
}

func (n *fake) self() peer.Hello {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := peer.Hello{Incarnation: n.incarnation, Name: n.name.String()}
	if n.layout != nil {
		h.Cluster = n.layout.Cluster
	}
	return h
}

func (n *fake) call(r *peer.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch r.Op {
	case peer.OpPing:
		r.Reply(peer.CodeOK, nil, nil)
	case peer.OpLayout:
		n.offered(r)
	case peer.OpSettings:
		n.settings(r)
	case peer.OpStatus:
		b, err := json.Marshal(n.status())
		if err != nil {
			r.Reply(peer.CodeRefused, []byte(err.Error()), nil)
			return
		}
		r.Reply(peer.CodeOK, b, nil)
	default:
		r.Reply(peer.CodeBad, []byte("unknown"), nil)
	}
}

// settings are taken in. Without a cluster there is nothing to wait for.
func (n *fake) settings(r *peer.Request) {
	s, err := peer.ParseSettings(r)
	if err != nil {
		r.Reply(peer.CodeBad, []byte(err.Error()), nil)
		return
	}
	if n.limit = s.TransferBytesPerSecond; s.Dissolve {
		n.layout = nil
		n.happened()
	}
	r.Reply(peer.CodeOK, nil, nil)
}

// offered is a layout, which the fake adopts in its manner.
func (n *fake) offered(r *peer.Request) {
	l, err := layout.Decode(r.Payload)
	n.offers++
	switch {
	case err != nil, n.manner == "refuses", n.manner == "hesitant" && n.offers == 1:
		r.Reply(peer.CodeRefused, []byte("no such layout"), nil)
	case n.manner == "hesitant" && n.offers == 2:
		n.peers.drop()
	case n.manner == "sluggish" && n.layout != nil:
		late := r.Detach()
		time.AfterFunc(time.Second, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.adopt(l)
			late.Reply(peer.CodeOK, l.Encode(), nil)
		})
	default:
		n.adopt(l)
		r.Reply(peer.CodeOK, l.Encode(), nil)
	}
}

func (n *fake) status() peer.Status {
	s := peer.Status{
		Name: n.name.String(), Range: n.name.Range.String(), Incarnation: n.incarnation, Ending: n.ending, Retired: n.retired,
	}
	if n.manner == "disowned" {
		s.Name = "another-0-255"
	}
	if n.layout == nil {
		s.Reason = "no layout yet"
		return s
	}
	hash := n.layout.Hash()
	s.Cluster, s.Epoch, s.Layout, s.Purged = n.layout.Cluster, n.layout.Epoch, hex.EncodeToString(hash[:]), n.layout.Epoch
	for _, m := range n.layout.Members {
		if m.Incarnation == n.incarnation {
			s.Phase = m.Phase.String()
			s.Segments = n.segments(m.Phase)
		} else if n.manner == "witness" {
			s.Peers = append(s.Peers, peer.PeerStatus{Incarnation: m.Incarnation, Silent: 50})
		}
	}
	if n.manner == "full" && s.Phase == "joining" {
		s.Stuck = "copying: slot 2: memory limit reached"
	}
	if s.Ready = s.Phase == "serving" && n.manner != "unready"; !s.Ready {
		s.Reason = "not serving"
	}
	return s
}

func (n *fake) segments(phase layout.Phase) []peer.SegmentStatus {
	var out []peer.SegmentStatus
	first := primaries(n.layout)
	for _, g := range n.layout.Segments {
		if n.name.Range.Contains(g.Lo) {
			out = append(out, peer.SegmentStatus{
				Lo: g.Lo, View: g.View, Copied: n.manner != "full", Complete: phase != layout.Joining, Active: first[g.Lo] == n.incarnation,
			})
		}
	}
	return out
}

// serveREST gives out the layout, for tests to look at.
func (n *fake) serveREST(w http.ResponseWriter, _ *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.layout == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Pid", strconv.Itoa(os.Getpid()))
	w.Header().Set("Limit", strconv.FormatInt(n.limit, 10))
	w.Write(n.layout.Encode()) //nolint:errcheck // the test that asks sees it
}

// tracker is a listener that can drop what it accepted.
type tracker struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (l *tracker) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, c)
		l.mu.Unlock()
	}
	return c, err
}

func (l *tracker) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// oneShot keeps no connection.
var oneShot = http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// layoutAt is the layout that the fake node behind a URL has.
func layoutAt(url string) (*layout.Layout, error) {
	res, err := oneShot.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return layout.Decode(b)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
)

// These tests run the program as people do: as processes, over sockets.

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "seppen-test")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "seppen")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir) //nolint:errcheck // it is in the system's temporary folder
	os.Exit(code)
}

// freePort returns the first of n ports in a row that are free now.
func freePort(t *testing.T, n int) int {
	t.Helper()
	for port := 24000 + os.Getpid()%4000; port+n < 32000; port += n {
		if portsFree(port, n) {
			return port
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

func portsFree(port, n int) bool {
	for i := range n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// localCluster is a running `seppen local`.
type localCluster struct {
	t     *testing.T
	cmd   *exec.Cmd
	nodes []localNode
	done  chan error
	log   *bytes.Buffer
}

type localNode struct {
	name layout.Name
	pid  int
	url  string
}

func startLocal(t *testing.T, args ...string) *localCluster {
	t.Helper()
	c := &localCluster{t: t, done: make(chan error, 1), log: &bytes.Buffer{}}
	port := freePort(t, 40)
	c.cmd = exec.Command(program, append([]string{"local", "--port", strconv.Itoa(port)}, args...)...)
	c.cmd.Stderr = c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			if f := strings.Fields(s.Text()); len(f) == 4 && strings.HasPrefix(f[3], "http://") {
				name, err := layout.ParseName(f[0])
				pid, perr := strconv.Atoi(f[2])
				if err == nil && perr == nil {
					c.nodes = append(c.nodes, localNode{name, pid, f[3]})
				}
			}
			if s.Text() == "ready" {
				close(ready)
			}
		}
		c.done <- c.cmd.Wait()
	}()
	t.Cleanup(c.stop)
	select {
	case <-ready:
	case err := <-c.done:
		t.Fatalf("seppen local ended: %v\n%s", err, c.log)
	case <-time.After(60 * time.Second):
		t.Fatalf("not ready in time\n%s", c.log)
	}
	return c
}

func (c *localCluster) stop() {
	if c.done == nil {
		return
	}
	c.cmd.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended
	select {
	case err := <-c.done:
		if err != nil {
			c.t.Errorf("seppen local: %v\n%s", err, c.log)
		}
	case <-time.After(30 * time.Second):
		c.cmd.Process.Kill() //nolint:errcheck // as above
		c.t.Error("seppen local did not stop")
	}
	c.done = nil
}

var client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}

// request returns the status, 0 if there was no answer.
func request(method, url string, body []byte) (int, []byte) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, b
}

// history is what one writer knows of one key.
type history struct {
	mu    sync.Mutex
	acked string
	maybe map[string]bool // writes of unknown outcome since then
}

func (h *history) may(value string) bool {
	return value == h.acked || h.maybe[value]
}

// A node of a cluster with two copies is killed under load. Reads of all keys whose
// primary lives go on, from the other copies; writes are refused or unknown where the
// node was an owner; nothing that was acknowledged is wrong, then or later.
func TestKillANodeUnderLoad(t *testing.T) {
	c := startLocal(t, "--shards", "3", "--copies", "2", "--restart=false")
	if len(c.nodes) != 3 {
		t.Fatalf("%d nodes", len(c.nodes))
	}
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	const victim = 1
	table := tableOf(c)
	primary := func(key string) string { return table.Owners(secret.KeySlot(key)).Primary.Name.String() }

	const writers, keys = 6, 40
	all := make(map[string]*history)
	for w := range writers {
		for k := range keys {
			all[fmt.Sprintf("w%d/k%d", w, k)] = &history{maybe: map[string]bool{}}
		}
	}
	stop := make(chan struct{})
	var killed sync.WaitGroup
	killed.Add(1)
	dead := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	after := map[string]int{}
	count := func(what string) {
		select {
		case <-dead:
			mu.Lock()
			after[what]++
			mu.Unlock()
		default:
		}
	}
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("w%d/k%d", w, i%keys)
				via := c.nodes[i%3]
				write(t, all[key], via.url+"/"+key, fmt.Sprintf("%s=%d %s", key, i, strings.Repeat("x", i%3*3000)), count)
				read(t, all[key], c.nodes[(i+1)%3].url+"/"+key, count)
			}
		})
	}
	time.Sleep(1500 * time.Millisecond) // load first
	if err := syscall.Kill(c.nodes[victim].pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	close(dead)
	time.Sleep(4 * time.Second) // and load after
	close(stop)
	wg.Wait()

	t.Logf("after the kill: %v", after)
	// That anything is refused is not certain: the other owner may take over within the patience
	// of those who were asked.
	for _, what := range []string{"read", "written"} {
		if after[what] == 0 {
			t.Errorf("after the kill nothing was %s", what)
		}
	}
	for key, h := range all {
		for _, via := range []int{0, 2} {
			finally(t, h, c.nodes[via].url, key, primary(key) != c.nodes[victim].name.String())
		}
	}
}

func tableOf(c *localCluster) *layout.Table {
	l := &layout.Layout{Cluster: layout.ID{1}, Epoch: 1}
	for i, n := range c.nodes {
		l.Members = append(l.Members, layout.Member{
			Name: n.name, Address: "x", Incarnation: layout.ID{byte(i + 1)}, JoinEpoch: 1, Phase: layout.Serving,
		})
	}
	l.Segments = layout.SegmentsOf(l.Members, 1)
	return layout.NewTable(l)
}

func write(t *testing.T, h *history, url, value string, count func(string)) {
	h.mu.Lock()
	h.maybe[value] = true
	h.mu.Unlock()
	status, body := request(http.MethodPut, url, []byte(value))
	h.mu.Lock()
	defer h.mu.Unlock()
	switch status {
	case http.StatusCreated, http.StatusNoContent:
		h.acked, h.maybe = value, map[string]bool{}
		count("written")
	case http.StatusServiceUnavailable:
		delete(h.maybe, value) // not executed
		count("write refused")
	case http.StatusGatewayTimeout, 0:
		count("write unknown")
	default:
		t.Errorf("PUT %s: %d %s", url, status, body)
	}
}

func read(t *testing.T, h *history, url string, count func(string)) {
	status, body := request(http.MethodGet, url, nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case status == http.StatusOK && h.may(string(body)):
		count("read")
	case status == http.StatusNotFound && h.acked == "":
	case status == http.StatusServiceUnavailable || status == 0:
		count("read refused")
	default:
		t.Errorf("GET %s: %d %.60s; acknowledged was %.60s", url, status, body, h.acked)
	}
}

// finally reads a key until it is answered; where its primary lives it must be.
func finally(t *testing.T, h *history, url, key string, primaryLives bool) {
	t.Helper()
	var status int
	var body []byte
	for range 50 {
		if status, body = request(http.MethodGet, url+"/"+key, nil); status != http.StatusServiceUnavailable || !primaryLives {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	switch {
	case status == http.StatusOK && h.may(string(body)):
	case status == http.StatusServiceUnavailable && !primaryLives:
	case status == http.StatusNotFound && h.acked == "":
	default:
		t.Errorf("%s at the end: %d %.60s; acknowledged was %.60s", key, status, body, h.acked)
	}
}

// A node that was killed comes back as a member that joins: it holds nothing, says
// that it is not ready, and passes requests on to the owners.
func TestRestartedNodePassesOn(t *testing.T) {
	c := startLocal(t, "--shards", "3", "--copies", "2")
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	table, victim := tableOf(c), c.nodes[1]
	var keys []string
	for i := 0; len(keys) < 20; i++ {
		key := fmt.Sprintf("key-%d", i)
		if table.Owners(secret.KeySlot(key)).Primary.Name != victim.name {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if status, body := request(http.MethodPut, c.nodes[0].url+"/"+key, []byte("value of "+key)); status != http.StatusCreated {
			t.Fatalf("PUT: %d %s", status, body)
		}
	}
	if err := syscall.Kill(victim.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, key := range keys {
		for {
			status, body := request(http.MethodGet, victim.url+"/"+key, nil)
			if status == http.StatusOK && string(body) == "value of "+key {
				break
			}
			if status != 0 && status != http.StatusServiceUnavailable || time.Now().After(deadline) {
				t.Fatalf("GET %s: %d %s\n%s", key, status, body, c.log)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	admin := strings.Replace(victim.url, portOf(victim.url), strconv.Itoa(must(strconv.Atoi(portOf(victim.url)))+2), 1)
	if status, body := request(http.MethodGet, admin+"/readyz", nil); status != http.StatusServiceUnavailable || !strings.Contains(string(body), "joining") {
		t.Errorf("/readyz: %d %s", status, body)
	}
}

func portOf(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// SIGTERM lets a request in flight finish, and the process ends with 0.
func TestNodeStopsGently(t *testing.T) {
	n := startNode(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
	time.Sleep(300 * time.Millisecond)
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.DialTimeout("tcp", conn.RemoteAddr().String(), time.Second); err != nil {
			break
		} else if c.Close(); time.Now().After(deadline) {
			t.Fatal("still accepting")
		}
	}
	fmt.Fprintf(conn, "world")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("the request in flight: %s", resp.Status)
	}
	if err := <-n.done; err != nil {
		t.Errorf("exit: %v", err)
	}
	n.done = nil
}

// singleNode is one `seppen node` that is a cluster by itself.
type singleNode struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	peer string
	done chan error
	log  *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func startNode(t *testing.T, wrap []string, args ...string) *singleNode {
	t.Helper()
	port := freePort(t, 3)
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	argv := append(wrap, program, "node", "--name", "one-0-255", "--listen", address(0), "--peer-listen", address(1), "--admin-listen", address(2))
	n := &singleNode{t: t, url: "http://" + address(0), peer: address(1), done: make(chan error, 1), log: &syncBuffer{}}
	n.cmd = exec.Command(argv[0], append(argv[1:], args...)...)
	n.cmd.Stderr = n.log
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { n.done <- n.cmd.Wait() }()
	t.Cleanup(n.stop)
	for deadline := time.Now().Add(20 * time.Second); n.found() != nil; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-n.done:
			n.done = nil
			t.Fatalf("seppen node ended: %v\n%s", err, n.log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not up in time: %v\n%s", n.found(), n.log)
		}
	}
	return n
}

func (n *singleNode) stop() {
	if n.done == nil {
		return
	}
	n.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	select {
	case err := <-n.done:
		if err != nil {
			n.t.Errorf("seppen node: %v\n%s", err, n.log)
		}
	case <-time.After(40 * time.Second):
		n.cmd.Process.Kill() //nolint:errcheck // as above
		n.t.Error("seppen node did not stop")
	}
	n.done = nil
}

// found founds a cluster of this one node, as its author.
func (n *singleNode) found() error {
	secret, err := uid.NewSecret([]byte("snowflake"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(foundCluster(ctx, secret, n.peer))
}

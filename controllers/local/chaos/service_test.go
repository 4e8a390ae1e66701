package chaos

import (
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// service stands for one of Kubernetes: it knows the nodes that say they are ready.
type service struct {
	c    *cluster
	stop chan struct{}
	done sync.WaitGroup
	http http.Client

	mu    sync.Mutex
	ready []string // REST addresses
}

// serve has clients sent to the nodes that are ready, until the test ends.
func (c *cluster) serve() {
	s := &service{c: c, stop: make(chan struct{}), http: http.Client{Timeout: time.Second}}
	s.look()
	c.service = s
	s.done.Go(func() {
		for {
			select {
			case <-s.stop:
				return
			case <-time.After(50 * time.Millisecond):
				s.look()
			}
		}
	})
	c.t.Cleanup(func() {
		close(s.stop)
		s.done.Wait()
		s.http.CloseIdleConnections()
	})
}

func (s *service) look() {
	var ready []string
	for _, p := range s.c.registry.survivors() {
		host, port, err := net.SplitHostPort(p.peer)
		n, numeric := strconv.Atoi(port)
		if err != nil || numeric != nil {
			s.c.t.Errorf("the peer port of %s is %q", p.name, p.peer)
			continue
		}
		rest := n - peerPort
		res, err := s.http.Get("http://" + net.JoinHostPort(host, strconv.Itoa(rest+adminPort)) + "/readyz")
		if err != nil {
			continue
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			ready = append(ready, net.JoinHostPort(host, strconv.Itoa(rest)))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(ready) > 0 {
		s.ready = ready
	}
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ready)
}

// pick is one of those that are ready.
func (s *service) pick(i int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready[i%len(s.ready)]
}

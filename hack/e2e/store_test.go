package e2e

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// store is one way to a cluster's REST interface: a pod, a Service, a port-forward.
type store struct {
	url    string
	client *http.Client // nil: direct
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// requestTime is more than a node takes to give a request up.
const requestTime = 20 * time.Second

// Pods are reached directly, whatever proxy the machine has for the rest of the world.
var direct = &http.Client{Timeout: requestTime, Transport: &http.Transport{
	MaxIdleConnsPerHost: 4,
	DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
}}

// ask sends a request; header is name, value, name, value ...
func (s store) ask(ctx context.Context, method, path, body string, header ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := s.client
	if client == nil {
		client = direct
	}
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return reply{}, fmt.Errorf("%s %s: read the answer: %w", method, req.URL, err)
	}
	return reply{res.StatusCode, res.Header, string(b)}, nil
}

// patience is how often a request that was refused is repeated, as seppen's own client
// does: on a machine that is busy a node may not hear of another for a second.
const patience = 3

// askAgain repeats a request that was refused, and so was not executed, and counts.
func (s store) askAgain(ctx context.Context, method, path, body string, header ...string) (r reply, refused int, err error) {
	for ; ; refused++ {
		r, err = s.ask(ctx, method, path, body, header...)
		if err != nil || r.status != http.StatusServiceUnavailable || refused == patience {
			return r, refused, err
		}
		select {
		case <-ctx.Done():
			return r, refused, ctx.Err()
		case <-time.After(time.Second): // what Retry-After says
		}
	}
}

// must ask and get this status.
func (s store) must(t *testing.T, status int, method, path, body string, header ...string) reply {
	t.Helper()
	var r reply
	var err error
	if status == http.StatusServiceUnavailable {
		r, err = s.ask(t.Context(), method, path, body, header...)
	} else {
		r, _, err = s.askAgain(t.Context(), method, path, body, header...)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.status != status {
		t.Fatalf("%s %s%s: %d %s, not %d", method, s.url, path, r.status, r.body, status)
	}
	return r
}

// etagOf is what a value's ETag must be, worked out without Seppen's code.
func etagOf(secret []byte, value string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(value))
	return `"` + hex.EncodeToString(mac.Sum(nil)) + `"`
}

// at is a pod's own REST port: the machine has routes to its nodes' pods.
func at(p *corev1.Pod) store {
	return store{url: "http://" + net.JoinHostPort(p.Status.PodIP, "21285")}
}

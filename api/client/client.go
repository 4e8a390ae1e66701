// Package client is a client of Seppen's REST interface.
//
// Values are streamed. A request that was refused with 503, which says that it was not
// executed, is tried again a few times; a request whose outcome is unknown never is,
// because a repeated write could undo somebody else's.
package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultURL is where a node listens if nothing else is said.
const DefaultURL = "http://127.0.0.1:21285"

// Client asks one node, or whatever stands before several. It is safe for concurrent
// use.
type Client struct {
	base    string // without a slash at the end
	http    *http.Client
	retries int
	idle    time.Duration
	wait    func(context.Context, time.Duration) bool
}

// Option changes a Client.
type Option func(*Client)

// WithRetries sets how often a request that was refused with 503 is tried again.
// Default: 3.
func WithRetries(n int) Option { return func(c *Client) { c.retries = n } }

// WithIdleTimeout sets how long a request may go on without a byte sent or received.
// Default: 30 s; 0: for ever.
func WithIdleTimeout(d time.Duration) Option { return func(c *Client) { c.idle = d } }

// WithTransport sets how connections are made.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.http.Transport = t } }

// New returns a client of the store at a URL such as http://127.0.0.1:21285. A path in
// it stands before all keys.
func New(base string, options ...Option) (*Client, error) {
	u, err := parseURL(base)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // a value's bytes are never changed on the way
	c := &Client{
		base:    strings.TrimRight(u.String(), "/"),
		retries: 3,
		idle:    30 * time.Second,
		wait:    wait,
		http: &http.Client{
			Transport: transport,
			// Seppen never redirects: a redirect would lead to another key.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

func parseURL(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("the URL of the store: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the URL of the store: %q is not like %s", base, DefaultURL)
	}
	return u, nil
}

// Close closes connections that wait for further use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Info is what the store knows of a key besides its value.
type Info struct {
	Key      string
	ETag     string // in its double quotes
	Size     int64  // bytes
	Type     string // the content type
	Modified time.Time
}

// Conditions are what a request demands of the key's value. Empty: nothing.
type Conditions struct {
	IfMatch     string // an ETag, a list of them, or * for any value
	IfNoneMatch string // an ETag, a list of them, or * for no value
}

func (c Conditions) set(h http.Header) {
	if c.IfMatch != "" {
		h.Set("If-Match", c.IfMatch)
	}
	if c.IfNoneMatch != "" {
		h.Set("If-None-Match", c.IfNoneMatch)
	}
}

// Object is a key's value. Body must be closed.
type Object struct {
	Info
	Body io.ReadCloser
}

// Get returns the value of a key.
func (c *Client) Get(ctx context.Context, key string) (*Object, error) {
	r, err := c.request(http.MethodGet, "get", key)
	if err != nil {
		return nil, err
	}
	a, err := c.do(ctx, r, http.StatusOK)
	if err != nil {
		return nil, err
	}
	return &Object{Info: infoOf(key, a.Response), Body: a.body}, nil
}

// Head returns what is known of a key without its value.
func (c *Client) Head(ctx context.Context, key string) (Info, error) {
	r, err := c.request(http.MethodHead, "head", key)
	if err != nil {
		return Info{}, err
	}
	a, err := c.do(ctx, r, http.StatusOK)
	if err != nil {
		return Info{}, err
	}
	defer a.finish()
	return infoOf(key, a.Response), nil
}

// PutOptions say how a value is put.
type PutOptions struct {
	Conditions
	Type string // the content type; empty: application/octet-stream
	Size int64  // of the value in bytes if it is known, else -1
}

// Put stores a value and returns its ETag and whether the key is new. A value that can
// seek, or of which nothing was sent yet, can be tried again after a 503.
func (c *Client) Put(ctx context.Context, key string, value io.Reader, o PutOptions) (etag string, created bool, err error) {
	r, err := c.request(http.MethodPut, "put", key)
	if err != nil {
		return "", false, err
	}
	o.set(r.header)
	if o.Type != "" {
		r.header.Set("Content-Type", o.Type)
	}
	r.body, r.size, r.write = value, o.Size, true
	a, err := c.do(ctx, r, http.StatusCreated, http.StatusNoContent)
	if err != nil {
		return "", false, err
	}
	defer a.finish()
	return a.Header.Get("ETag"), a.StatusCode == http.StatusCreated, nil
}

// Delete removes a key.
func (c *Client) Delete(ctx context.Context, key string, cond Conditions) error {
	r, err := c.request(http.MethodDelete, "rm", key)
	if err != nil {
		return err
	}
	cond.set(r.header)
	r.write = true
	a, err := c.do(ctx, r, http.StatusNoContent)
	if err != nil {
		return err
	}
	a.finish()
	return nil
}

func (c *Client) request(method, verb, key string) (*request, error) {
	op := verb + " " + strconv.Quote(key)
	if key == "" || len(key) > MaxKey {
		return nil, &Error{Op: verb, Kind: ErrKey}
	}
	return &request{op: op, method: method, url: c.base + EscapeKey(key), header: http.Header{}}, nil
}

func infoOf(key string, resp *http.Response) Info {
	modified, _ := http.ParseTime(resp.Header.Get("Last-Modified"))
	return Info{
		Key:      key,
		ETag:     resp.Header.Get("ETag"),
		Size:     resp.ContentLength,
		Type:     resp.Header.Get("Content-Type"),
		Modified: modified,
	}
}

func cutShort(got, want int64) string {
	return fmt.Sprintf("the value was cut short after %d of %d bytes", got, want)
}

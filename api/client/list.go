package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ListOptions say which keys a list has.
type ListOptions struct {
	Prefix string
	After  string // only keys greater than this one
	Limit  int    // 0: all
}

// maxLine bounds a line of a list: a key of MaxKey bytes, each escaped, and the rest.
const maxLine = 64 << 10

// List returns the keys in the order of their bytes. An error comes last; the keys
// before it are there, but the list may be cut short.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for line, err := range c.ListLines(ctx, o) {
			var info Info
			if err == nil {
				info, err = parseLine(line)
			}
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

// ListLines is List with each key's JSON as it came. A line is valid until the next
// one.
func (c *Client) ListLines(ctx context.Context, o ListOptions) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		a, err := c.do(ctx, c.listRequest(o), http.StatusOK)
		if err != nil {
			yield(nil, err)
			return
		}
		defer a.body.Close()
		lines := bufio.NewReaderSize(a.body, maxLine)
		for {
			line, err := lines.ReadSlice('\n')
			if errors.Is(err, io.EOF) && len(line) == 0 {
				return
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(nil, err)
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

func (c *Client) listRequest(o ListOptions) *request {
	q := url.Values{}
	if o.Prefix != "" {
		q.Set("prefix", o.Prefix)
	}
	if o.After != "" {
		q.Set("after", o.After)
	}
	if o.Limit > 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	address := c.base + "/"
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	return &request{op: "ls", method: http.MethodGet, url: address, header: http.Header{"Accept": {"application/json"}}}
}

func parseLine(line []byte) (Info, error) {
	// A key that is not UTF-8 cannot stand in JSON; it comes as key64.
	var v struct {
		Key      *string   `json:"key"`
		Key64    []byte    `json:"key64"`
		ETag     string    `json:"etag"`
		Size     int64     `json:"size"`
		Type     string    `json:"type"`
		Modified time.Time `json:"modified"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return Info{}, &Error{Op: "ls", Err: fmt.Errorf("a line of the list: %w", err)}
	}
	info := Info{Key: string(v.Key64), ETag: v.ETag, Size: v.Size, Type: v.Type, Modified: v.Modified}
	if v.Key != nil {
		info.Key = *v.Key
	}
	if info.Key == "" {
		return Info{}, &Error{Op: "ls", Reason: "a line of the list has no key"}
	}
	return info, nil
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/eiri/seppen/api/peer"
)

// DefaultAdminURL is where a node's admin port is if nothing else is said.
const DefaultAdminURL = "http://127.0.0.1:21287"

// maxStatus bounds a status page: 256 nodes doubled take some 100 KB.
const maxStatus = 4 << 20

// Status asks the node for its status, where c is a client of the admin port. raw is
// the JSON as it came. A node that is not ready has a status too.
func (c *Client) Status(ctx context.Context) (s *peer.Status, raw []byte, err error) {
	const op = "status"
	r := &request{op: op, method: http.MethodGet, url: c.base + "/status", header: http.Header{"Accept": {"application/json"}}}
	a, err := c.do(ctx, r, http.StatusOK, http.StatusServiceUnavailable)
	if err != nil {
		return nil, nil, err
	}
	defer a.body.Close()
	kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type"))
	if kind != "application/json" {
		if a.StatusCode != http.StatusOK {
			return nil, nil, refusal(op, a.Response, false)
		}
		return nil, nil, &Error{Op: op, Reason: fmt.Sprintf("the answer is %q and not JSON: is this the admin port?", kind)}
	}
	raw, err = io.ReadAll(io.LimitReader(a.body, maxStatus))
	if err != nil {
		return nil, nil, err
	}
	s = new(peer.Status)
	if err := json.Unmarshal(raw, s); err != nil {
		return nil, nil, &Error{Op: op, Err: err}
	}
	return s, raw, nil
}

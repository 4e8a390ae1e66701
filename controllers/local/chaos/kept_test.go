package chaos

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
)

// kept are keys that nobody writes any more, with their ETags. Nothing that happens to
// one node at a time may change them.
type kept struct {
	c     *cluster
	etags map[string]string // empty: there is no such key
}

// keep fills a cluster with so much that copying it takes a moment.
func (c *cluster) keep(rnd *rand.Rand) *kept {
	c.t.Helper()
	w := &writers{c: c, size: 8 << 10, keys: make([]string, 500)}
	for i := range w.keys {
		w.keys[i] = fmt.Sprintf("kept/%d", i)
	}
	w.load(rnd)
	k := &kept{c: c, etags: make(map[string]string)}
	for _, key := range w.keys {
		k.etags[key] = c.uidOf(key).ETag()
	}
	return k
}

// check reads all at some node.
func (k *kept) check(rnd *rand.Rand) {
	k.c.t.Helper()
	for key, etag := range k.etags {
		node := rnd.IntN(len(k.c.names))
		var status int
		var body []byte
		k.c.eventually("a definite answer about "+key, func() bool {
			res, err := k.c.http.Get("http://" + k.c.rest(node) + "/" + key)
			if err == nil {
				status = res.StatusCode
				body, err = io.ReadAll(res.Body)
				res.Body.Close()
			}
			return err == nil && status != http.StatusServiceUnavailable
		})
		switch {
		case status == http.StatusOK && secret.Sum(body).ETag() == etag:
		case status == http.StatusNotFound && etag == "":
		default:
			k.c.t.Errorf("%s at %s: %d, %d bytes of %s, kept was %q", key, k.c.names[node], status, len(body), secret.Sum(body).ETag(), etag)
		}
	}
}

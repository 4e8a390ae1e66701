package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/eiri/seppen/api/peer"
)

func (c *cluster) status(i int) (s peer.Status, err error) {
	client := http.Client{Transport: c.http.Transport, Timeout: 2 * time.Second}
	res, err := client.Get("http://" + c.admin(i) + "/status")
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	return s, json.NewDecoder(res.Body).Decode(&s)
}

// metric is the sum of a metric over all nodes.
func (c *cluster) metric(name string) (sum float64) {
	c.t.Helper()
	for i := range c.names {
		res, err := c.http.Get("http://" + c.admin(i) + "/metrics")
		if err != nil {
			c.t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		found := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindSubmatch(text)
		if err != nil || found == nil {
			c.t.Fatalf("%s has no metric %s, %v", c.names[i], name, err)
		}
		n, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			c.t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// troubled says what is not as it should be: every node serves, has everything, is the
// primary of its share of the slots and has the leases, and all by one layout.
func (c *cluster) troubled() string {
	var epoch uint64
	for i, name := range c.names {
		s, err := c.status(i)
		switch {
		case err != nil:
			return err.Error()
		case !s.Ready || s.Phase != "serving" || len(s.Members) != len(c.names):
			return fmt.Sprintf("%s: ready %v, %s, of %d members: %s", name, s.Ready, s.Phase, len(s.Members), s.Reason)
		case i > 0 && s.Epoch != epoch:
			return fmt.Sprintf("%s: epoch %d, not %d", name, s.Epoch, epoch)
		case s.SlotsOwned != s.SlotsComplete || s.SlotsLost > 0:
			return fmt.Sprintf("%s: %d slots, %d complete, %d lost", name, s.SlotsOwned, s.SlotsComplete, s.SlotsLost)
		case s.SlotsActive != c.share(i) || s.Lease != "held":
			return fmt.Sprintf("%s: active in %d slots, not %d, lease %q", name, s.SlotsActive, c.share(i), s.Lease)
		}
		epoch = s.Epoch
	}
	return ""
}

// calm waits until all is as it should be.
func (c *cluster) calm() {
	c.t.Helper()
	trouble := ""
	defer func() {
		if trouble != "" {
			c.t.Logf("not calm: %s", trouble)
		}
	}()
	c.eventually("all nodes serve and have everything", func() bool {
		trouble = c.troubled()
		return trouble == ""
	})
}

func (c *cluster) epoch() uint64 {
	c.t.Helper()
	s, err := c.status(0)
	if err != nil {
		c.t.Error(err)
	}
	return s.Epoch
}

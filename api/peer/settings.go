package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Settings are what the author tells every node that stands in no layout. Telling them
// again changes nothing.
type Settings struct {
	// TransferBytesPerSecond bounds what a node copies from others, bytes of values and
	// entries together; 0: no limit.
	TransferBytesPerSecond int64 `json:"transferBytesPerSecond"`
	// Dissolve: the cluster is no more, with all that it holds. The node waits for nothing
	// and ends. It cannot be taken back.
	Dissolve bool `json:"dissolve"`
}

// ErrSettings: the node does not take the settings. Its version knows none, or not these.
var ErrSettings = errors.New("the node refuses its settings")

// PushSettings tells a node its settings. Only an author may, who is no node: the hello of
// the connection has no incarnation. ErrSettings if the node does not take them.
func PushSettings(ctx context.Context, c *Conn, s Settings) error {
	b, err := json.Marshal(s)
	var r Reply
	if err == nil {
		r, err = c.Call(ctx, callTimeout, OpSettings, 0, b, nil)
	}
	switch {
	case err != nil:
		return fmt.Errorf("settings for %s: %w", c.Remote().Name, err)
	case r.Code != CodeOK:
		return fmt.Errorf("%w: %s: %s: %s", ErrSettings, c.Remote().Name, r.Code, r.Payload)
	}
	return nil
}

// ParseSettings reads the payload of an OpSettings request.
func ParseSettings(r *Request) (Settings, error) {
	var s Settings
	if err := json.Unmarshal(r.Payload, &s); err != nil {
		return s, fmt.Errorf("settings: %w", err)
	}
	if s.TransferBytesPerSecond < 0 {
		return s, fmt.Errorf("settings: %d bytes per second", s.TransferBytesPerSecond)
	}
	return s, nil
}

package client

import (
	"context"
	"time"
)

// NoWait makes a client try again at once.
func NoWait(c *Client) { c.wait = func(context.Context, time.Duration) bool { return true } }

// Base is the URL that keys are put behind.
func Base(c *Client) string { return c.base }

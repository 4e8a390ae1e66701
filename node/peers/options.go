package peers

import (
	"log/slog"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// Options are what Peers needs of the rest of the node.
type Options struct {
	Secret   *uid.Secret
	Store    *store.Store // takes in values that pass through
	Observer Observer
	Log      *slog.Logger
	// FreshClock is how old a primary's clock may be to serve as a ticket unasked.
	FreshClock time.Duration
	// Marks returns the watermarks that a backup has not been told yet.
	Marks func(member layout.ID, told *[layout.Slots]kv.Version) []wire.Mark
	// Granted is told of each beat that was answered, and when it was sent.
	Granted func(by layout.ID, epoch uint64, sent time.Duration)
	Clock   func() time.Duration
	Second  time.Duration // the length of a second of beats; tests have short ones
}

package roster

import (
	"context"
	"errors"
	"sync"

	"github.com/eiri/seppen/api/peer"
)

// Settings tells all nodes their settings, now, and whenever one is connected to anew. After
// Dissolve that stays as it is.
func (r *Roster) Settings(s peer.Settings) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings != nil {
		s.Dissolve = s.Dissolve || r.settings.Dissolve
		if s == *r.settings {
			return
		}
	}
	r.settings = &s
	for _, l := range r.links {
		l.nudge()
	}
}

// Dissolve tells all nodes that are connected that the cluster is no more, and returns when
// they know or ctx ends. Those that are connected to later hear of it too. Its error says who
// could not be told.
func (r *Roster) Dissolve(ctx context.Context) error {
	r.mu.Lock()
	var s peer.Settings
	if r.settings != nil {
		s = *r.settings
	}
	s.Dissolve = true
	r.settings = &s
	var conns []*peer.Conn
	for _, l := range r.links {
		if l.conn != nil {
			conns = append(conns, l.conn)
		}
	}
	r.mu.Unlock()
	errs := make([]error, len(conns))
	var all sync.WaitGroup
	for i, conn := range conns {
		all.Go(func() { errs[i] = peer.PushSettings(ctx, conn, s) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// configure tells the node the newest settings if it was told others, or none, on this
// connection. told is what it was told last. A node of a version that does not take them goes on
// without: what it is told besides matters more.
func (l *link) configure(ctx context.Context, conn *peer.Conn, told *peer.Settings) (*peer.Settings, error) {
	l.roster.mu.Lock()
	s := l.roster.settings
	l.roster.mu.Unlock()
	if s == told {
		return told, nil
	}
	if err := peer.PushSettings(ctx, conn, *s); err != nil && !errors.Is(err, peer.ErrSettings) {
		return told, err
	}
	return s, nil
}

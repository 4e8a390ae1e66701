package roster

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// pace of a node that is as it should be, and of others.
func TestPace(t *testing.T) {
	nodes, _ := start(t)
	l := first(t, nodes)
	now := time.Unix(1000, 0)
	mine := nodes[0].Incarnation() // the primary of segment 0, and a backup of 85
	fine := func() *peer.Status {
		return &peer.Status{Incarnation: mine, Epoch: 1, Ready: true, Segments: []peer.SegmentStatus{
			{Lo: 0, View: 1, Active: true, Complete: true}, {Lo: 85, View: 1, Complete: true},
		}}
	}
	for name, tt := range map[string]struct {
		change func(l *link)
		want   time.Duration
	}{
		"all is well":         {func(*link) {}, pollQuiet},
		"not ready":           {func(l *link) { l.status.Ready = false }, pollUnderway},
		"not ready, for long": {func(l *link) { l.status.Ready, l.changed = false, now.Add(-patience) }, pollQuiet},
		"an older layout":     {func(l *link) { l.status.Epoch = 0 }, pollUnderway},
		"not active":          {func(l *link) { l.status.Segments[0].Active = false }, pollUnderway},
		"not complete":        {func(l *link) { l.status.Segments[1].Complete = false }, pollUnderway},
		"one joins":           {func(l *link) { l.status.Joining = []peer.JoiningStatus{{Answered: true, Silent: 100}} }, pollQuiet},
		"one is not reached":  {func(l *link) { l.status.Joining = []peer.JoiningStatus{{Silent: 100}} }, pollUnderway},
		"nothing known":       {func(l *link) { l.status = nil }, pollQuiet},
		"somebody is silent": {func(l *link) {
			l.status = nil
			l.roster.hasten(now.Add(time.Second - hurry))
		}, pollUnderway},
		"somebody was silent": {func(l *link) { l.roster.hasten(now.Add(-hurry)) }, pollQuiet},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Roster{durable: l, primaries: primaries(l)}
			k := &link{roster: r, status: fine(), changed: now}
			tt.change(k)
			if got := k.pace(now); got != tt.want {
				t.Errorf("%s, not %s", got, tt.want)
			}
		})
	}
}

func TestNews(t *testing.T) {
	base := func() *peer.Status {
		return &peer.Status{
			Incarnation: layout.ID{1}, Cluster: cluster, Epoch: 3, Layout: "a", Phase: "serving", Ready: true,
			Segments: []peer.SegmentStatus{{Lo: 0, View: 3}}, Peers: []peer.PeerStatus{{Incarnation: bob, Silent: 20}},
			Joining: []peer.JoiningStatus{{Incarnation: bob, Answered: true, Silent: 20}},
		}
	}
	for name, tt := range map[string]struct {
		change func(s *peer.Status)
		want   bool
	}{
		"nothing": {func(*peer.Status) {}, false},
		"figures": {func(s *peer.Status) {
			s.Keys, s.MemoryUsed, s.CopyBytesLeft, s.Segments[0].Keys, s.Segments[0].Bytes = 1, 2, 3, 4, 5
		}, false},
		"incarnation": {func(s *peer.Status) { s.Incarnation[3]++ }, true},
		"cluster":     {func(s *peer.Status) { s.Cluster[3]++ }, true},
		"epoch":       {func(s *peer.Status) { s.Epoch++ }, true},
		"layout":      {func(s *peer.Status) { s.Layout = "b" }, true},
		"phase":       {func(s *peer.Status) { s.Phase = "leaving" }, true},
		"ready":       {func(s *peer.Status) { s.Ready = false }, true},
		"reason":      {func(s *peer.Status) { s.Reason = "stopping" }, true},
		"ending":      {func(s *peer.Status) { s.Ending = true }, true},
		"retired":     {func(s *peer.Status) { s.Retired = true }, true},
		"purged":      {func(s *peer.Status) { s.Purged++ }, true},
		"view":        {func(s *peer.Status) { s.Segments[0].View++ }, true},
		"active":      {func(s *peer.Status) { s.Segments[0].Active = true }, true},
		"copied":      {func(s *peer.Status) { s.Segments[0].Copied = true }, true},
		"complete":    {func(s *peer.Status) { s.Segments[0].Complete = true }, true},
		"a segment":   {func(s *peer.Status) { s.Segments = nil }, true},
		"a beat late": {func(s *peer.Status) { s.Peers[0].Silent = 1199 }, false},
		"a complaint": {func(s *peer.Status) { s.Peers[0].Silent = 1200 }, true},
		"a ping late": {func(s *peer.Status) { s.Joining[0].Silent = 1199 }, false},
		"not reached": {func(s *peer.Status) { s.Joining[0].Silent = 1200 }, true},
		"no answer":   {func(s *peer.Status) { s.Joining[0].Answered = false }, true},
	} {
		now := base()
		tt.change(now)
		if got := isNews(base(), now); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if !isNews(nil, base()) {
		t.Error("the first word is no news")
	}
}

// What a node said has an age, of the last time it said so.
func TestAge(t *testing.T) {
	r := newRoster(t)
	l := &link{roster: r.Roster}
	l.said(&peer.Status{})
	l.heard = l.heard.Add(-time.Minute)
	if age := l.sight().Age; age < time.Minute {
		t.Errorf("%v after it was said a minute ago", age)
	}
	l.said(&peer.Status{})
	if age := l.sight().Age; age >= time.Minute {
		t.Errorf("%v after it was said again", age)
	}
}

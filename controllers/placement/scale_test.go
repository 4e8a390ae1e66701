package placement

import (
	"testing"
	"time"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// BenchmarkNext is a look at the largest cluster, in which nothing is to be done.
func BenchmarkNext(b *testing.B) {
	names, err := layout.Names("x", layout.MaxShards, 3)
	if err != nil {
		b.Fatal(err)
	}
	s := &story{names: names, silent: map[layout.ID]time.Duration{}}
	for i, name := range names {
		s.processes = append(s.processes, &process{Observation: Observation{
			Name: name, Address: "h:1", Incarnation: layout.ID{byte(i), 1}, Answering: time.Hour,
		}})
	}
	s.current, _ = Next(cluster, nil, names, s.world())
	for i, p := range s.processes {
		for d := 1; d < 3; d++ {
			p.Peers = append(p.Peers, peer.PeerStatus{Incarnation: s.processes[(i+d)%256].Incarnation, Silent: 100})
		}
	}
	w := s.world()
	for b.Loop() {
		if next, why := Next(cluster, s.current, names, w); next != nil || why != "" {
			b.Fatal(why)
		}
	}
}

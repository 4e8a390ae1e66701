package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// A primary that cannot dial a member that joins says so, though that one copies everything from
// it, and also when it can. It stays ready: the one who joins is no owner yet.
func TestJoiningThatIsNotReached(t *testing.T) {
	c := startCluster(t, 1, 1, plenty, nil)
	joining := startNode(t, layout.Name{Base: "snow-r1", Range: layout.Range{Hi: 127}}, plenty, nil)
	door := newFault(t, joining)
	door.cut()
	joining.via = door.l.Addr().String()
	c.write(func(d *draft) { d.admit(joining) })
	c.tell(c.nodes[0], joining)
	c.says(joining, "copied", func(s *peer.SegmentStatus) bool { return s.Copied })
	primary := c.nodes[0]
	c.eventually(func() bool { return primary.Status().Joining[0].Silent > 1000 }, "it is silent for ten of its seconds")
	st := primary.Status()
	want := []peer.JoiningStatus{{Incarnation: joining.state.Incarnation(), Silent: st.Joining[0].Silent}}
	if diff := cmp.Diff(want, st.Joining); diff != "" || !st.Ready || len(st.Peers) > 0 {
		t.Errorf("ready %v, peers %v, joining (-want +got):\n%s", st.Ready, st.Peers, diff)
	}
	door.mend()
	c.eventually(func() bool { j := primary.Status().Joining; return j[0].Within(primary.second) }, "it is reached")
	if st := joining.Status(); len(st.Joining) > 0 {
		t.Errorf("one who joins says of others: %v", st.Joining)
	}
}

package node

import (
	"testing"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/node/replica"
	"github.com/eiri/seppen/node/wire"
)

// What is ordered says when, by the primary's clock: what is on its way for longer than that
// counts is refused, and so never undoes what was acknowledged since.
func TestOrdersSayWhen(t *testing.T) {
	for _, method := range []string{"PUT", "DELETE"} {
		c := startCluster(t, 2, 1, plenty, slow)
		key := c.keyAt(1)
		c.do(1, "PUT", key, []byte("v"))
		before := c.nodes[1].owner.Ticket()
		c.nodes[1].gate.hold(wire.OpOrder)
		done := make(chan response, 1)
		go func() {
			r, err := c.try(0, method, key, nil)
			if err != nil {
				t.Error(err)
			}
			done <- r
		}()
		c.nodes[1].gate.holds(c)
		late := c.nodes[1].gate.drop()[0]
		w, err := wire.ParseWrite(late.Payload)
		age := uint64(replica.TicketAge * c.nodes[1].second.Milliseconds())
		if from := w.Ticket; err != nil || from.Incarnation != before.Incarnation || from.Clock+age < before.Clock {
			t.Errorf("%s: %+v %v, at %+v", method, from, err, before)
		}
		c.eventually(func() bool { return c.nodes[1].owner.Ticket().Clock > w.Ticket.Clock+age }, "the ticket is too old")
		// Another one has it now, so a deletion would remove it.
		r, err := c.dialer().Dial(t.Context(), c.nodes[1].peerAddr, layout.ID{})
		if err != nil {
			t.Fatal(err)
		}
		c.do(1, "PUT", key, []byte("newer"))
		answer, err := r.Call(t.Context(), patience, wire.OpOrder, late.Epoch, late.Payload, nil)
		r.Close()
		if err != nil || answer.Code != wire.CodeTicket {
			t.Errorf("%s: %s %s %v", method, answer.Code, answer.Payload, err)
		}
		if got := c.do(1, "GET", key, nil); string(got.body) != "newer" {
			t.Errorf("%s: %d %q", method, got.status, got.body)
		}
		c.nodes[1].gate.calls(late) // lets the client go
		<-done
	}
}

package node

import (
	"errors"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

// call answers a request on the peer port.
func (n *Node) call(r *peer.Request) {
	if r.Op != peer.OpSettings {
		n.service.Call(r)
		return
	}
	r = r.Detach() // its answer leaves at once: the node may be about to end
	s, err := n.configure(r)
	if err != nil {
		r.Reply(peer.CodeRefused, []byte(err.Error()), nil)
		return
	}
	r.Reply(peer.CodeOK, nil, nil)
	if s.Dissolve {
		n.log.Info("the cluster is dissolved", "author", r.From.Name)
		n.dissolve()
	}
}

// errNotAuthor: nodes tell each other layouts, which their author has numbered, but no settings.
var errNotAuthor = errors.New("settings come from the cluster's author, and not from a node")

// configure follows what the author says, but does not end the node.
func (n *Node) configure(r *peer.Request) (peer.Settings, error) {
	if r.From.Incarnation != (layout.ID{}) {
		return peer.Settings{}, errNotAuthor
	}
	s, err := peer.ParseSettings(r)
	if err == nil {
		n.copier.SetLimit(s.TransferBytesPerSecond)
	}
	return s, err
}

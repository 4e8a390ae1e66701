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
	if err := n.configure(r); err != nil {
		r.Reply(peer.CodeRefused, []byte(err.Error()), nil)
		return
	}
	r.Reply(peer.CodeOK, nil, nil)
}

// errNotAuthor: nodes tell each other layouts, which their author has numbered, but no settings.
var errNotAuthor = errors.New("settings come from the cluster's author, and not from a node")

// configure follows what the author says.
func (n *Node) configure(r *peer.Request) error {
	if r.From.Incarnation != (layout.ID{}) {
		return errNotAuthor
	}
	s, err := peer.ParseSettings(r)
	if err != nil {
		return err
	}
	n.copier.SetLimit(s.TransferBytesPerSecond)
	if s.Dissolve {
		n.log.Info("the cluster is dissolved", "author", r.From.Name)
		n.dissolve()
	}
	return nil
}

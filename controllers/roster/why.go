package roster

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/eiri/seppen/api/peer"
)

// ErrSecret: the process does not have the cluster's secret.
var ErrSecret = errors.New("its secret is not the cluster's")

// errSilent: it is connected and does not say a word.
var errSilent = errors.New("no answer in time")

// strangerError: another node answers at the address.
type strangerError struct{ text string }

func (e *strangerError) Error() string { return e.text }

// plain says in the same few words, however often it happens, why a node does not
// answer: port numbers of failed connections would make each a news of its own.
func plain(err error) error {
	var stranger *strangerError
	var timeout net.Error
	switch {
	case errors.As(err, &stranger):
		return stranger
	case errors.Is(err, peer.ErrSecret):
		return ErrSecret
	case errors.Is(err, peer.ErrCluster):
		return errors.New("it belongs to another cluster")
	case errors.Is(err, peer.ErrProtocol):
		return errors.New("it does not speak this version's peer protocol")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.Is(err, peer.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return errSilent
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return errors.New("no route to it")
	case errors.Is(err, peer.ErrNotSent), errors.Is(err, peer.ErrBroken), errors.Is(err, io.EOF):
		return errors.New("the connection broke")
	}
	return err
}

package peer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/eiri/seppen/api/layout"
)

// The handshake, in four steps, with K the key derived from the cluster's secret:
//
//	client → server   magic, nonceC
//	server → client   nonceS
//	client → server   helloC, HMAC(K, "client" nonceC nonceS helloC)
//	server → client   helloS, verdict, HMAC(K, "server" nonceC nonceS helloC helloS verdict)
//
// Neither side says who it is before the other has proved itself, and the proofs of
// the two roles differ, so one can't be played back as the other.
const (
	magic     = "seppen\x00\x01"
	nonceSize = 32
	maxName   = 512

	handshakeTimeout = 5 * time.Second
)

var (
	// ErrSecret: the other side does not know the cluster's secret, or we do not know its.
	ErrSecret = errors.New("the two sides do not share the cluster secret")
	// ErrIncarnation: at this address is another incarnation than was asked for.
	ErrIncarnation = errors.New("another incarnation answers at this address")
	// ErrCluster: the other side belongs to another cluster.
	ErrCluster = errors.New("the other side belongs to another cluster")
	// ErrProtocol: the other side does not speak this protocol.
	ErrProtocol = errors.New("not the peer protocol")
)

// Hello says who one side of a connection is. The author of layouts has no
// incarnation.
type Hello struct {
	Cluster     layout.ID // zero: none yet
	Incarnation layout.ID
	Name        string // of the node, for people
}

// Kind is what a connection is for.
type Kind uint8

// The kinds of connections.
const (
	Calls  Kind = iota + 1 // many small requests at a time
	Bodies                 // one body at a time
)

type verdict uint8

const (
	accepted verdict = iota + 1
	wrongIncarnation
	wrongCluster
)

// clientHello is a Hello, the incarnation that the client wants to talk to (zero:
// any), and what for.
type clientHello struct {
	Hello
	want layout.ID
	kind Kind
}

func (h *clientHello) append(b []byte) []byte {
	b = append(b, h.Cluster[:]...)
	b = append(b, h.Incarnation[:]...)
	b = append(b, h.want[:]...)
	b = append(b, byte(h.kind))
	return appendName(b, h.Name)
}

func appendName(b []byte, name string) []byte {
	name = name[:min(len(name), maxName)]
	return append(append(b, byte(len(name)>>8), byte(len(name))), name...)
}

func readName(r io.Reader) (string, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	size := int(n[0])<<8 | int(n[1])
	if size > maxName {
		return "", ErrProtocol
	}
	name := make([]byte, size)
	_, err := io.ReadFull(r, name)
	return string(name), err
}

func readIDs(r io.Reader, ids ...*layout.ID) error {
	for _, id := range ids {
		if _, err := io.ReadFull(r, id[:]); err != nil {
			return err
		}
	}
	return nil
}

func proof(key []byte, parts ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// greet is the client's side of the handshake. The deadline is the caller's.
func greet(nc net.Conn, key []byte, me *clientHello) (Hello, error) {
	var them Hello
	nonces := make([]byte, 2*nonceSize)
	rand.Read(nonces[:nonceSize]) // it never fails: it ends the process instead
	if _, err := nc.Write(append([]byte(magic), nonces[:nonceSize]...)); err != nil {
		return them, err
	}
	if _, err := io.ReadFull(nc, nonces[nonceSize:]); err != nil {
		return them, err
	}
	mine := me.append(nil)
	if _, err := nc.Write(append(mine, proof(key, []byte("client"), nonces, mine)...)); err != nil {
		return them, err
	}
	if err := readIDs(nc, &them.Cluster, &them.Incarnation); err != nil {
		// A server that doubts our proof hangs up without a word.
		if errors.Is(err, io.EOF) {
			return them, ErrSecret
		}
		return them, err
	}
	name, err := readName(nc)
	if err != nil {
		return them, err
	}
	them.Name = name
	rest := make([]byte, 1+sha256.Size)
	if _, err := io.ReadFull(nc, rest); err != nil {
		return them, err
	}
	want := proof(key, []byte("server"), nonces, mine, serverHello(&them), rest[:1])
	if !hmac.Equal(want, rest[1:]) {
		return them, ErrSecret
	}
	return them, verdict(rest[0]).err()
}

func (v verdict) err() error {
	switch v {
	case accepted:
		return nil
	case wrongIncarnation:
		return ErrIncarnation
	case wrongCluster:
		return ErrCluster
	}
	return ErrProtocol
}

func serverHello(h *Hello) []byte {
	b := append([]byte(nil), h.Cluster[:]...)
	b = append(b, h.Incarnation[:]...)
	return appendName(b, h.Name)
}

// admit is the server's side of the handshake. The deadline is the caller's.
func admit(nc net.Conn, key []byte, self func() Hello) (clientHello, error) {
	var c clientHello
	opening := make([]byte, len(magic)+nonceSize)
	if _, err := io.ReadFull(nc, opening); err != nil {
		return c, err
	}
	if string(opening[:len(magic)]) != magic {
		return c, ErrProtocol
	}
	nonces := make([]byte, 2*nonceSize)
	copy(nonces, opening[len(magic):])
	rand.Read(nonces[nonceSize:]) // it never fails: it ends the process instead
	if _, err := nc.Write(nonces[nonceSize:]); err != nil {
		return c, err
	}
	if err := readClientHello(nc, &c); err != nil {
		return c, err
	}
	theirs := c.append(nil)
	given := make([]byte, sha256.Size)
	if _, err := io.ReadFull(nc, given); err != nil {
		return c, err
	}
	if !hmac.Equal(given, proof(key, []byte("client"), nonces, theirs)) {
		return c, ErrSecret
	}
	me := self()
	v := judge(&me, &c)
	mine := serverHello(&me)
	answer := append(append([]byte(nil), mine...), byte(v))
	answer = append(answer, proof(key, []byte("server"), nonces, theirs, mine, []byte{byte(v)})...)
	if _, err := nc.Write(answer); err != nil {
		return c, err
	}
	return c, v.err()
}

func readClientHello(r io.Reader, c *clientHello) error {
	if err := readIDs(r, &c.Cluster, &c.Incarnation, &c.want); err != nil {
		return err
	}
	var kind [1]byte
	if _, err := io.ReadFull(r, kind[:]); err != nil {
		return err
	}
	c.kind = Kind(kind[0])
	if c.kind != Calls && c.kind != Bodies {
		return fmt.Errorf("%w: connection kind %d", ErrProtocol, kind[0])
	}
	var err error
	c.Name, err = readName(r)
	return err
}

// judge refuses messages meant for another incarnation or cluster (F11).
func judge(me *Hello, c *clientHello) verdict {
	var none layout.ID
	if c.want != none && c.want != me.Incarnation {
		return wrongIncarnation
	}
	if c.Cluster != none && me.Cluster != none && c.Cluster != me.Cluster {
		return wrongCluster
	}
	return accepted
}

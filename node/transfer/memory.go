package transfer

import (
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// Memory keeps copies in a node's store.
type Memory struct {
	Store  *store.Store
	Secret *uid.Secret
	// Placed is told of each value that was taken or touched: whether a key refers to it
	// is to be checked later.
	Placed func(u uid.UID)
}

// Room implements Values.
func (m *Memory) Room(bytes int64) bool { return m.Store.Room(bytes) }

// Touch implements Values.
func (m *Memory) Touch(u uid.UID, witness uint8) bool {
	had := m.Store.Touch(u, witness)
	if had {
		m.Placed(u)
	}
	return had
}

// Take implements Values.
func (m *Memory) Take(v wire.ValueInfo, b []byte) error {
	if m.Secret.Sum(b) != v.UID {
		return ErrCorrupt
	}
	if _, err := m.Store.InstallBytes(v.UID, b, v.Witness); err != nil {
		return err
	}
	m.Placed(v.UID)
	return nil
}

// Begin implements Values.
func (m *Memory) Begin(v wire.ValueInfo) (Partial, error) {
	staged, err := m.Store.Stage(v.Size)
	if err != nil {
		return nil, err
	}
	return &partial{m, v, staged, m.Secret.Hash()}, nil
}

// partial is a Partial in the memory where it is to stay.
type partial struct {
	m      *Memory
	v      wire.ValueInfo
	staged *store.Staged
	sum    *uid.Hash
}

func (p *partial) Write(b []byte) (int, error) {
	n, err := p.staged.Write(b)
	_, _ = p.sum.Write(b[:n]) // it never fails
	return n, err
}

func (p *partial) Finish() error {
	if p.staged.Size() != p.v.Size || p.sum.UID() != p.v.UID {
		p.Discard()
		return ErrCorrupt
	}
	p.sum.Close()
	p.m.Store.Install(p.v.UID, p.staged, p.v.Witness)
	p.m.Placed(p.v.UID)
	return nil
}

func (p *partial) Discard() {
	p.sum.Close()
	p.staged.Discard()
}

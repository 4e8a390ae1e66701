package transfer

import (
	"io"
	"sync"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// smallValue is the largest value in bytes that is read into a buffer first: one step of
// hashing and one of storing cost less than many that are interleaved.
const smallValue = 32 << 10

var buffers = sync.Pool{New: func() any { return new([smallValue]byte) }}

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
func (m *Memory) Take(v wire.ValueInfo, size int64, r io.Reader) error {
	take := m.takeLarge
	if size <= smallValue {
		take = m.takeSmall
	}
	if err := take(&v, size, r); err != nil {
		return err
	}
	m.Placed(v.UID)
	return nil
}

func (m *Memory) takeSmall(v *wire.ValueInfo, size int64, r io.Reader) error {
	buf := buffers.Get().(*[smallValue]byte)
	defer buffers.Put(buf)
	b := buf[:size]
	if _, err := io.ReadFull(r, b); err != nil {
		return err
	}
	if m.Secret.Sum(b) != v.UID {
		return ErrCorrupt
	}
	_, err := m.Store.InstallBytes(v.UID, b, v.Witness)
	return err
}

// takeLarge has the bytes read into the memory where they stay.
func (m *Memory) takeLarge(v *wire.ValueInfo, size int64, r io.Reader) error {
	staged, err := m.Store.Stage(size)
	if err != nil {
		return err
	}
	sum := m.Secret.Hash()
	defer sum.Close()
	n, err := staged.ReadFrom(io.TeeReader(io.LimitReader(r, size), sum))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && sum.UID() != v.UID {
		err = ErrCorrupt
	}
	if err != nil {
		staged.Discard()
		return err
	}
	m.Store.Install(v.UID, staged, v.Witness)
	return nil
}

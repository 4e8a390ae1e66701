package router

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/peers"
	"github.com/eiri/seppen/node/routing"
	"github.com/eiri/seppen/node/store"
	"github.com/eiri/seppen/node/wire"
)

// sendUnasked is the largest value in bytes that is sent to an owner without asking
// first whether it is there: asking would take longer than sending.
const sendUnasked = 4 << 10

// body is a value on its way in: its bytes in the node's memory and the hash of them.
type body struct {
	staged  *store.Staged
	transit bool // staged among what passes through: it can't stay here
	sum     *uid.Hash
}

// NewBody implements kv.Backend. A node that can't serve says so before the body is read.
func (r *Router) NewBody(_ context.Context, size int64) (kv.Body, error) {
	if _, err := r.table(); err != nil {
		return nil, err
	}
	b := &body{}
	var err error
	b.staged, err = r.owner.Store.Stage(size)
	if errors.Is(err, kv.ErrNoMemory) && size >= 0 {
		// A full node may still pass a value on to owners that have room, or that have it.
		b.transit = true
		b.staged, err = r.owner.Store.StageTransit(size)
	}
	if err != nil {
		return nil, err
	}
	b.sum = r.secret.Hash()
	return b, nil
}

func (b *body) Write(p []byte) (int, error) {
	n, err := b.staged.Write(p)
	b.sum.Write(p[:n])
	return n, err
}

// ReadFrom reads straight into the memory where the value is going to stay.
func (b *body) ReadFrom(src io.Reader) (int64, error) {
	return b.staged.ReadFrom(io.TeeReader(src, b.sum))
}

func (b *body) Discard() {
	b.staged.Discard()
	if b.sum != nil {
		b.sum.Close()
		b.sum = nil
	}
}

// Put implements kv.Backend: place the value at its owners, then have the entry ordered.
func (r *Router) Put(ctx context.Context, key, contentType string, b kv.Body, cond kv.Conditions) (kv.Entry, bool, error) {
	in := b.(*body)
	defer in.Discard()
	w := wire.Write{
		Key: key, UID: in.sum.UID(), Size: in.staged.Size(), ContentType: contentType, Cond: cond, ID: r.writes.Add(1),
	}
	src := source{staged: in.staged, transit: in.transit}
	defer src.close()
	var done wire.Ordered
	slot := r.secret.KeySlot(key)
	err := r.retry(ctx, routing.Slots(slot, w.UID.Slot()), func(t *layout.Table) (err error) {
		done, err = r.put(ctx, t, slot, &w, &src)
		return err
	})
	return done.Entry, done.Created, err
}

func (r *Router) put(ctx context.Context, t *layout.Table, slot uint8, w *wire.Write, src *source) (wire.Ordered, error) {
	m, self, err := r.primary(t, slot)
	if err != nil {
		return wire.Ordered{}, err
	}
	// The ticket comes before the placing: the primary counts the value's age from it.
	if w.Ticket, err = r.ticket(ctx, m, self); err != nil {
		return wire.Ordered{}, err
	}
	w.Placed = t.Layout.Epoch
	if err := r.place(ctx, t, wire.Place{UID: w.UID, Witness: slot}, src); err != nil {
		return wire.Ordered{}, err
	}
	return r.order(ctx, m, self, slot, w)
}

// ticket returns a moment of the primary's clock. A write that comes to it long after that it
// refuses.
func (r *Router) ticket(ctx context.Context, m *layout.Member, self bool) (wire.Ticket, error) {
	if self {
		return r.owner.Ticket(), nil
	}
	return r.peers.Ticket(ctx, m)
}

func (r *Router) order(ctx context.Context, m *layout.Member, self bool, slot uint8, w *wire.Write) (wire.Ordered, error) {
	if self {
		return r.owner.Order(ctx, slot, w, r.owner.Self)
	}
	return r.peers.Order(ctx, m, w)
}

// Delete implements kv.Backend.
func (r *Router) Delete(ctx context.Context, key string, cond kv.Conditions) error {
	w := wire.Write{Key: key, Delete: true, Cond: cond, ID: r.writes.Add(1)}
	slot := r.secret.KeySlot(key)
	return r.retry(ctx, routing.Slots(slot), func(t *layout.Table) error {
		m, self, err := r.primary(t, slot)
		if err == nil {
			w.Ticket, err = r.ticket(ctx, m, self)
		}
		if err == nil {
			_, err = r.order(ctx, m, self, slot, &w)
		}
		return err
	})
}

// place brings the value to every owner of its slot, or at least there.
func (r *Router) place(ctx context.Context, t *layout.Table, p wire.Place, src *source) error {
	owners := t.Owners(p.UID.Slot())
	if owners.Primary == nil { // see peers.Service
		return kv.Refuse(kv.NoPrimary, "slot %d has none", p.UID.Slot())
	}
	var others []*layout.Member
	for _, m := range owners.Ack {
		if m.Incarnation == r.owner.Self {
			if err := r.placeHere(p, src); err != nil {
				return err
			}
			// As other owners do: whoever became one meanwhile may have asked what there is
			// before the value was stored.
			if r.state.Table().Owners(p.UID.Slot()).View > t.Layout.Epoch {
				return peers.ErrMoved
			}
		} else {
			others = append(others, m)
		}
	}
	switch len(others) {
	case 0:
		return nil
	case 1:
		return r.placeAt(ctx, others[0], p, src)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range others {
		g.Go(func() error { return r.placeAt(ctx, m, p, src) })
	}
	return g.Wait()
}

// placeHere makes the staged bytes this node's copy, without moving them.
func (r *Router) placeHere(p wire.Place, src *source) error {
	staged := src.staged
	if staged == nil || src.transit {
		if r.owner.Touch(p) {
			return nil
		}
		// It only passes through; or an earlier attempt placed it, so long ago that it was
		// freed again.
		var err error
		if staged, err = r.copyOf(src.bytes()); err != nil {
			return err
		}
	}
	r.owner.Install(p, staged)
	if src.transit {
		return nil
	}
	mine := r.owner.Value(p.UID)
	if mine == nil {
		return kv.Refuse(kv.Busy, "the value was dropped as soon as it was placed")
	}
	src.close()
	src.staged, src.value = nil, mine
	return nil
}

func (r *Router) copyOf(v kv.Chunked) (*store.Staged, error) {
	staged, err := r.owner.Store.Stage(v.Size())
	if err != nil {
		return nil, err
	}
	if err := kv.WriteChunks(staged, v); err != nil {
		staged.Discard()
		return nil, err
	}
	return staged, nil
}

func (r *Router) placeAt(ctx context.Context, m *layout.Member, p wire.Place, src *source) error {
	size := src.Size()
	if size > sendUnasked {
		if had, err := r.peers.Touch(ctx, m, p); had || err != nil {
			return err
		}
	}
	if size > wire.MaxInline {
		return r.peers.PlaceBody(ctx, m, p, src)
	}
	b, err := kv.Whole(src)
	if err != nil {
		return err
	}
	return r.peers.Place(ctx, m, p, b)
}

// source is where the bytes of a value that is being placed are: staged, or already
// this node's own copy.
type source struct {
	staged  *store.Staged
	transit bool
	value   *store.Value
}

// Size is the value's length in bytes.
func (s *source) Size() int64 { return s.bytes().Size() }

// Chunk returns bytes from off on, see kv.Value.
func (s *source) Chunk(off int64) ([]byte, error) { return s.bytes().Chunk(off) }

func (s *source) bytes() kv.Chunked {
	if s.staged != nil {
		return s.staged
	}
	return s.value
}

func (s *source) close() {
	if s.value != nil {
		s.value.Close()
	}
}

var _ kv.Backend = (*Router)(nil)

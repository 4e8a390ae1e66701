package store

import (
	"bytes"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
	"github.com/eiri/seppen/node/store/arena"
)

func compareUID(a, b *uid.UID) int { return bytes.Compare(a[:], b[:]) }

// Install makes a staged body the value u and takes it over. The caller vouches that
// u is its uid. If the value is there already the body is dropped. In both cases the
// value is touched and its witness set. had tells whether it was there. Panics if
// the body was staged for transit or has ended.
func (s *Store) Install(u uid.UID, st *Staged, witness uint8) (had bool) {
	if st.closed || st.mem != s.mem {
		panic("store: Install of a body that ended or only passes through")
	}
	ref := st.seal()
	vs := &s.values[u.Slot()]
	vs.mu.Lock()
	at, had := vs.touch(s, &u, witness)
	if !had {
		vs.insert(s, at, &u, ref, witness)
	}
	vs.mu.Unlock()
	if had {
		freeValue(s.mem, ref, 0)
	}
	return had
}

// InstallBytes is Stage, Write and Install in one for a value that is at hand. It
// fails with kv.ErrNoMemory, but not if the value is there already.
func (s *Store) InstallBytes(u uid.UID, b []byte, witness uint8) (had bool, err error) {
	if sh := shapeOf(int64(len(b))); sh.pieces() == 0 {
		had, ok := s.installSmall(&u, b, witness)
		if !ok && s.makeRoom() {
			had, ok = s.installSmall(&u, b, witness)
		}
		if !ok {
			return false, kv.ErrNoMemory
		}
		return had, nil
	}
	if s.Touch(u, witness) {
		return true, nil
	}
	st, err := s.Stage(int64(len(b)))
	if err != nil {
		return false, err
	}
	if _, err := st.Write(b); err != nil {
		st.Discard()
		return false, err
	}
	return s.Install(u, st, witness), nil
}

func (s *Store) installSmall(u *uid.UID, b []byte, witness uint8) (had, ok bool) {
	vs := &s.values[u.Slot()]
	vs.mu.Lock()
	defer vs.mu.Unlock()
	at, had := vs.touch(s, u, witness)
	if had {
		return true, true
	}
	ref, ok := newHead(s.mem, int64(len(b)), nil, arena.Limited)
	if !ok {
		return false, false
	}
	copy(s.mem.Cell(ref)[headBytes:], b)
	vs.insert(s, at, u, ref, witness)
	return false, true
}

// Touch says "have it": if the value is there it is touched, its witness is set, and
// it will not be freed on any answer that was asked for before.
func (s *Store) Touch(u uid.UID, witness uint8) bool {
	vs := &s.values[u.Slot()]
	vs.mu.Lock()
	defer vs.mu.Unlock()
	_, ok := vs.touch(s, &u, witness)
	return ok
}

// Has tells whether the value is there. It does not touch it.
func (s *Store) Has(u uid.UID) bool {
	vs := &s.values[u.Slot()]
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	_, ok := vs.find(s.mem, &u)
	return ok
}

// Drop removes a value whatever refers to it, as a copy that was found corrupt. It
// tells whether it was there.
func (s *Store) Drop(u uid.UID) bool {
	return s.removeValue(&u, func(head) bool { return true })
}

// removeValue removes a value from its slot if the condition holds. Its memory is
// freed when its last reader lets go.
func (s *Store) removeValue(u *uid.UID, when func(head) bool) bool {
	vs := &s.values[u.Slot()]
	vs.mu.Lock()
	at, ok := vs.place(s.mem, u)
	if !ok {
		vs.mu.Unlock()
		return false
	}
	it, _ := vs.index.at(s.mem, &at)
	h := head(s.mem.Cell(it.ref()))
	if !when(h) {
		vs.mu.Unlock()
		return false
	}
	vs.bytes -= h.size()
	vs.index.remove(s.mem, at)
	vs.mu.Unlock()
	letGo(s.mem, it.ref())
	return true
}

// touch touches a value if it is there, and returns its place.
func (vs *valueSlot) touch(s *Store, u *uid.UID, witness uint8) (place, bool) {
	at, ok := vs.place(s.mem, u)
	if ok {
		it, _ := vs.index.at(s.mem, &at)
		vs.mark(s, it.ref(), witness)
	}
	return at, ok
}

func (vs *valueSlot) mark(s *Store, ref arena.Ref, witness uint8) {
	vs.generation++
	head(s.mem.Cell(ref)).touch(s.now(), vs.generation, witness)
}

func (vs *valueSlot) insert(s *Store, at place, u *uid.UID, ref arena.Ref, witness uint8) {
	h := head(s.mem.Cell(ref))
	*h.uid() = *u
	vs.mark(s, ref, witness)
	vs.bytes += h.size()
	vs.index.insert(s.mem, at, newItem(uidPrefix(u), ref))
}

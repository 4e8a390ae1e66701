package store

// Stats is what a store holds.
type Stats struct {
	Keys         int   // entries that are no tombstones
	Tombstones   int   // entries that are
	Values       int   // however many entries refer to them
	KeyBytes     int64 // of the keys' bytes
	ValueBytes   int64 // of the values' bytes, each stored once
	LogicalBytes int64 // of the values' bytes, once for each entry

	// Overhead is the memory in use that is neither keys' nor values' bytes: headers,
	// indexes, content types, tombstones, free cells of pages in use, and bodies that
	// are staged.
	Overhead int64
	// CellBytes is the memory in cells and blocks handed out, Used that of pages in use,
	// both in bytes; Limit bounds Used, 0: none.
	CellBytes, Used, Limit int64
	// Transit is the memory of pages of values that pass through, in bytes.
	Transit, TransitLimit int64

	SlotKeys   [slots]int // by the key's slot
	SlotValues [slots]int // by the value's slot

	SlotKeyBytes   [slots]int64
	SlotValueBytes [slots]int64
}

// Stats counts what the store holds. Under concurrent writes its figures may be from
// slightly different moments.
func (s *Store) Stats() Stats {
	mem := s.mem.Stats()
	st := Stats{
		CellBytes: mem.Bytes,
		Used:      s.mem.Used(), Limit: s.mem.Limit(),
		Transit: s.transit.Used(), TransitLimit: s.transit.Limit(),
	}
	for i := range slots {
		es, vs := &s.entries[i], &s.values[i]
		es.mu.RLock()
		st.SlotKeys[i] = es.index.count - es.tombstones
		st.Tombstones += es.tombstones
		st.SlotKeyBytes[i] = es.keyBytes
		st.LogicalBytes += es.logical
		es.mu.RUnlock()
		vs.mu.RLock()
		st.SlotValues[i] = vs.index.count
		st.SlotValueBytes[i] = vs.bytes
		vs.mu.RUnlock()
		st.Keys += st.SlotKeys[i]
		st.Values += st.SlotValues[i]
		st.KeyBytes += st.SlotKeyBytes[i]
		st.ValueBytes += st.SlotValueBytes[i]
	}
	st.Overhead = st.Used - st.KeyBytes - st.ValueBytes
	return st
}

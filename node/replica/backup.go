package replica

import "github.com/eiri/seppen/node/kv"

// backup is what a backup of one slot remembers besides the entries themselves.
type backup struct {
	watermark uint64
	// unsettled are the operations above the watermark: of these alone it is not known
	// that every owner has them.
	unsettled []settling
}

type settling struct {
	key     string
	version kv.Version
	deleted bool
}

// accept tells whether an operation must be stored. One at or below the watermark is a
// late copy of something every owner had, and may have been replaced and forgotten
// since: storing it would bring it back (F23).
func (b *backup) accept(e *kv.Entry) bool {
	if e.Version.N <= b.watermark {
		return false
	}
	for i := range b.unsettled {
		if b.unsettled[i].version == e.Version {
			return true // sent again; the store keeps the higher version
		}
	}
	b.unsettled = append(b.unsettled, settling{e.Key, e.Version, e.Deleted})
	return true
}

// advance moves the watermark and returns the tombstones that are no longer needed:
// nothing older than them can be stored any more.
func (b *backup) advance(watermark uint64) (forget []settling) {
	if watermark <= b.watermark {
		return nil
	}
	b.watermark = watermark
	kept := b.unsettled[:0]
	for _, s := range b.unsettled {
		switch {
		case s.version.N > watermark:
			kept = append(kept, s)
		case s.deleted:
			forget = append(forget, s)
		}
	}
	clear(b.unsettled[len(kept):])
	b.unsettled = kept
	return forget
}

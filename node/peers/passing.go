package peers

import (
	"context"
	"fmt"
	"io"

	"github.com/eiri/seppen/api/peer"
	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// passingChunk is how much of a passing value is in memory.
const passingChunk = 64 << 10

// passing is a value that is given out as it comes from its owner, for want of room to
// take it in. Its last chunk is given out only once all bytes were checked, so a
// client never has the whole of a corrupt value. It can be read once, from front to back.
type passing struct {
	peers *Peers
	link  *link
	bulk  *peer.Bulk
	body  io.Reader
	uid   uid.UID
	size  int64
	next  int64 // offset of the next chunk
	sum   interface {
		io.Writer
		UID() uid.UID
		Close()
	}
	buf []byte
}

func newPassing(p *Peers, l *link, b *peer.Bulk, body io.Reader, u uid.UID, size int64) *passing {
	// A client has its first bytes soon, and nobody else can give it the rest: it comes to its
	// end, even if its owner is no member any more.
	l.detach(b)
	return &passing{
		peers: p, link: l, bulk: b, body: body, uid: u, size: size,
		sum: p.opt.Secret.Hash(), buf: make([]byte, min(size, passingChunk)),
	}
}

func (v *passing) UID() uid.UID { return v.uid }
func (v *passing) Size() int64  { return v.size }
func (v *passing) WholeOnly()   {}

// Chunk returns the next chunk. kv.ErrUnavailable at any other offset.
func (v *passing) Chunk(off int64) ([]byte, error) {
	if off != v.next {
		return nil, kv.Refuse(kv.Busy, "no memory left to take in a value of %d bytes that other nodes have", v.size)
	}
	n := min(int64(len(v.buf)), v.size-off)
	if _, err := io.ReadFull(v.body, v.buf[:n]); err != nil {
		return nil, failed(v.link.member, 0, err)
	}
	v.sum.Write(v.buf[:n]) //nolint:errcheck // a hash never fails
	v.next += n
	if v.next == v.size && v.sum.UID() != v.uid {
		v.peers.suspect(context.Background(), v.link.member, v.uid)
		return nil, fmt.Errorf("%w: %s at %s", ErrCorrupt, v.uid, v.link.member.Name)
	}
	return v.buf[:n], nil
}

func (v *passing) Close() {
	v.sum.Close()
	v.link.giveBulk(v.bulk)
}

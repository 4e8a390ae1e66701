package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// MaxPayload is the largest payload of a frame in bytes. Larger things are bodies.
const MaxPayload = 1 << 20

const headerSize = 20

// header begins every frame, big-endian:
//
//	0  payload length  uint32
//	4  id              uint32   chosen by the asking side, repeated in the reply
//	8  word            uint8    Op of a request, Code of a reply
//	9  reply           uint8    0 or 1
//	10 zero            uint16
//	12 stamp           uint64   the sender's epoch in a request, its clock in a reply
type header struct {
	size  uint32
	id    uint32
	word  uint8
	reply bool
	stamp uint64
}

// ErrFrame is returned for bytes that are not a frame; the connection is of no more use.
var ErrFrame = errors.New("malformed frame")

func (h *header) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, h.size)
	b = binary.BigEndian.AppendUint32(b, h.id)
	var reply byte
	if h.reply {
		reply = 1
	}
	b = append(b, h.word, reply, 0, 0)
	return binary.BigEndian.AppendUint64(b, h.stamp)
}

func parseHeader(b []byte) (header, error) {
	h := header{
		size:  binary.BigEndian.Uint32(b),
		id:    binary.BigEndian.Uint32(b[4:]),
		word:  b[8],
		reply: b[9] == 1,
		stamp: binary.BigEndian.Uint64(b[12:]),
	}
	if h.size > MaxPayload {
		return h, fmt.Errorf("%w: payload of %d bytes", ErrFrame, h.size)
	}
	if b[9] > 1 || b[10] != 0 || b[11] != 0 {
		return h, fmt.Errorf("%w: reserved bits are set", ErrFrame)
	}
	return h, nil
}

// readHeader reads the next frame's header. io.EOF only between frames.
func readHeader(r *bufio.Reader) (header, error) {
	b, err := r.Peek(headerSize)
	if err != nil {
		if len(b) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return header{}, err
	}
	h, err := parseHeader(b)
	if err == nil {
		_, err = r.Discard(headerSize)
	}
	return h, err
}

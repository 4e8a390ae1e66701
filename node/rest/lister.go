package rest

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/eiri/seppen/node/kv"
)

// errClientGone stops a list that nobody reads any more.
var errClientGone = errors.New("client gone")

// listBuffer is how much of a list is written at once. What is in the buffer is not
// yet said, so an error that comes that early still has its own status.
const listBuffer = 32 << 10

var listBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, listBuffer+8*kv.MaxKey) // a key's JSON is up to six times as long
	return &b
}}

// lister writes the entries of one list.
type lister struct {
	a      *answer
	offer  int
	buffer *[]byte
	out    []byte // what has not been written yet, in the buffer
	any    bool   // there was an entry
	begun  bool   // the header has been written
}

func newLister(a *answer, offer int) *lister {
	b := listBuffers.Get().(*[]byte)
	return &lister{a: a, offer: offer, buffer: b, out: (*b)[:0]}
}

func (l *lister) close() { listBuffers.Put(l.buffer) }

func (l *lister) add(e *kv.Entry) error {
	if l.offer == 0 {
		if l.any {
			l.out = append(l.out, '\n')
		}
		l.out = append(l.out, e.Key...)
	} else {
		l.out = appendJSON(l.out, e)
	}
	l.any = true
	if len(l.out) < listBuffer {
		return nil
	}
	return l.flush()
}

// flush sends what there is, so that the client need not wait for the next piece.
func (l *lister) flush() error {
	if !l.begun {
		l.begun = true
		l.a.listHeader(l.offer)
		l.a.WriteHeader(http.StatusOK)
	}
	l.a.extendSend() // for the next entries to be found as much as for these to be sent
	if _, err := l.a.Write(l.out); err != nil {
		return errClientGone
	}
	l.out = l.out[:0]
	if err := http.NewResponseController(l.a.ResponseWriter).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errClientGone
	}
	return nil
}

// finish writes the rest. A list that was never flushed is whole in the buffer, and
// its length known.
func (l *lister) finish() error {
	if !l.begun {
		l.begun = true
		l.a.listHeader(l.offer)
		l.a.Header()["Content-Length"] = []string{strconv.Itoa(len(l.out))}
		l.a.WriteHeader(http.StatusOK)
	}
	l.a.extendIfLate()
	if _, err := l.a.Write(l.out); err != nil {
		return errClientGone
	}
	return nil
}

// appendJSON appends an entry as one line. JSON has no bytes but only text, so a key
// that is not UTF-8 is named in base64.
func appendJSON(b []byte, e *kv.Entry) []byte {
	if utf8.ValidString(e.Key) {
		b = appendString(append(b, `{"key":`...), e.Key)
	} else {
		b = base64.StdEncoding.AppendEncode(append(b, `{"key64":"`...), []byte(e.Key))
		b = append(b, '"')
	}
	b = appendString(append(b, `,"etag":`...), e.UID.ETag())
	b = strconv.AppendInt(append(b, `,"size":`...), e.Size, 10)
	contentType := e.ContentType
	if contentType == "" {
		contentType = defaultType
	}
	b = appendString(append(b, `,"type":`...), contentType)
	b = e.ModifiedTime().AppendFormat(append(b, `,"modified":"`...), time.RFC3339Nano)
	return append(b, "\"}\n"...)
}

// appendString appends a JSON string (RFC 8259, section 7). Bytes that are not UTF-8,
// which a content type may have, become U+FFFD.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

package rest

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// Header values that many answers share. net/http does not change them.
var (
	headerBytes   = []string{"bytes"}
	headerClose   = []string{"close"}
	headerOctets  = []string{defaultType}
	headerPlain   = []string{"text/plain; charset=utf-8"}
	headerOne     = []string{"1"}
	headerZero    = []string{"0"}
	headerNoCache = []string{"no-cache"}
	headerAccept  = []string{"Accept"}
)

const defaultType = "application/octet-stream"

const (
	etagLen = 2*uid.Size + 2
	dateLen = len(http.TimeFormat)
)

// setValidators sets ETag and Last-Modified, and Content-Length if size >= 0. The
// three share one string and one slice: this is on the path of every request.
func setValidators(head http.Header, e *kv.Entry, size int64) {
	var buf [etagLen + dateLen + 20]byte
	b := append(buf[:0], '"')
	b = hex.AppendEncode(b, e.UID[:])
	b = append(b, '"')
	b = appendDate(b, e.ModifiedTime())
	if size >= 0 {
		b = strconv.AppendInt(b, size, 10)
	}
	s := string(b)
	values := []string{s[:etagLen], s[etagLen : etagLen+dateLen], s[etagLen+dateLen:]}
	head["Etag"] = values[0:1:1]
	head["Last-Modified"] = values[1:2:2]
	if size >= 0 {
		head["Content-Length"] = values[2:3:3]
	}
}

// appendDate appends a time in UTC as http.TimeFormat has it, in a third of the time
// that the general AppendFormat takes.
func appendDate(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(append(b, t.Weekday().String()[:3]...), ", "...)
	b = append(appendTwo(b, day), ' ')
	b = append(append(b, month.String()[:3]...), ' ')
	b = append(appendTwo(appendTwo(b, year/100), year%100), ' ')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	return append(appendTwo(b, second), " GMT"...)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// dates are the values of Date, which all answers of one second share: net/http would
// write it anew for each.
var dates dateCache

type dateCache struct{ now atomic.Pointer[dateLine] }

type dateLine struct {
	second int64
	value  []string
}

func (c *dateCache) at(t time.Time) []string {
	d := c.now.Load()
	if second := t.Unix(); d == nil || d.second != second {
		d = &dateLine{second, []string{string(appendDate(nil, t.UTC()))}}
		c.now.Store(d)
	}
	return d.value
}

// setRepresentation sets what GET and HEAD say of a value, of which size bytes are
// in the answer.
func setRepresentation(head http.Header, e *kv.Entry, size int64) {
	setValidators(head, e, size)
	head["Accept-Ranges"] = headerBytes
	head["Cache-Control"] = headerNoCache
	if e.ContentType == "" {
		head["Content-Type"] = headerOctets
	} else {
		head["Content-Type"] = []string{e.ContentType}
	}
}

package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/eiri/seppen/node/kv"
)

func TestLists(t *testing.T) {
	m := newModel()
	for _, key := range []string{"a", "a+b", "a b", "b", "b/", "b/c", "c\xff", "c\x00"} {
		m.put(key, "", key)
	}
	h := New(m, quiet())
	for _, tt := range []struct {
		query  string
		status int
		want   string
	}{
		{"", 200, "a\na b\na+b\nb\nb/\nb/c\nc\x00\nc\xff"},
		{"?", 200, "a\na b\na+b\nb\nb/\nb/c\nc\x00\nc\xff"},
		{"?prefix=&after=", 200, "a\na b\na+b\nb\nb/\nb/c\nc\x00\nc\xff"},
		{"?prefix=b", 200, "b\nb/\nb/c"},
		{"?prefix=b/", 200, "b/\nb/c"},
		{"?prefix=a+b", 200, "a b"},
		{"?prefix=a%2Bb", 200, "a+b"},
		{"?prefix=c%FF", 200, "c\xff"},
		{"?after=b&limit=2", 200, "b/\nb/c"},
		{"?after=c%FF", 200, ""},
		{"?after=b&prefix=b&limit=1", 200, "b/"},
		{"?limit=1000000000000", 200, "a\na b\na+b\nb\nb/\nb/c\nc\x00\nc\xff"},
		{"?limit=0", 400, "limit is not a positive integer\n"},
		{"?limit=-1", 400, "limit is not a positive integer\n"},
		{"?limit=%2B1", 400, "limit is not a positive integer\n"},
		{"?limit=", 400, "limit is not a positive integer\n"},
		{"?limit=99999999999999999999", 400, "limit is not a positive integer\n"},
		{"?limit=1&limit=1", 400, "a query parameter is given twice\n"},
		{"?Prefix=a", 400, "a query has prefix, after and limit, nothing else\n"},
		{"?a;b", 400, "the query is malformed\n"},
		{"?prefix=%zz", 400, "the query is malformed\n"},
		{"?after=" + strings.Repeat("x", kv.MaxKey+1), 400, "prefix or after is longer than any key, 4096 bytes\n"},
	} {
		r := request(h, "GET", "/"+tt.query, "")
		if got := read(t, r); r.StatusCode != tt.status || got != tt.want {
			t.Errorf("%s: %d %q", tt.query, r.StatusCode, got)
		}
		head := request(h, "HEAD", "/"+tt.query, "")
		if head.StatusCode != tt.status || head.Header.Get("Content-Type") != r.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d", tt.query, head.StatusCode)
		}
	}
}

func TestListJSON(t *testing.T) {
	m := newModel()
	m.now = func() time.Time { return at }
	for _, key := range []string{"a", "b\xff"} {
		m.put(key, map[string]string{"a": "text/\"x\""}[key], "v")
	}
	r := request(New(m, quiet()), "GET", "/", "", "Accept", "application/json")
	etag := strings.Trim(m.secret.Sum([]byte("v")).ETag(), `"`)
	want := `{"key":"a","etag":"\"` + etag + `\"","size":1,"type":"text/\"x\"","modified":"2026-11-22T20:17:47.123456789Z"}
{"key64":"Yv8=","etag":"\"` + etag + `\"","size":1,"type":"application/octet-stream","modified":"2026-11-22T20:17:47.123456789Z"}
`
	if diff := cmp.Diff(want, read(t, r)); diff != "" {
		t.Error(diff)
	}
}

// TestAppendJSON reads lines with encoding/json, whatever the key.
func TestAppendJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := kv.Entry{
			Key:         rapid.OneOf(rapid.StringN(1, 50, -1), rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "bytes")) })).Draw(t, "key"),
			ContentType: string(rapid.SliceOf(rapid.Byte()).Draw(t, "type")),
			Size:        rapid.Int64Min(0).Draw(t, "size"),
			Modified:    rapid.Int64Min(0).Draw(t, "modified"),
		}
		line := appendJSON([]byte("before"), &e)[len("before"):]
		var got struct {
			Key, ETag, Type string
			Key64           []byte
			Size            int64
			Modified        time.Time
		}
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if bytes.IndexByte(line, '\n') != len(line)-1 {
			t.Fatalf("%q is not a line", line)
		}
		key := got.Key
		if !utf8.ValidString(e.Key) {
			key = string(got.Key64)
		}
		if key != e.Key || got.Size != e.Size || !got.Modified.Equal(e.ModifiedTime()) || got.ETag != e.UID.ETag() {
			t.Errorf("%q: %+v, want %+v (%s)", line, got, e, base64.StdEncoding.EncodeToString([]byte(e.Key)))
		}
		if want := strings.ToValidUTF8(e.ContentType, ""); e.ContentType != "" && strings.ReplaceAll(got.Type, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
			t.Errorf("type %q, want %q", got.Type, want)
		}
	})
}

// TestLongList is longer than all buffers.
func TestLongList(t *testing.T) {
	m := newModel()
	var want []string
	for i := range 5000 {
		key := fmt.Sprintf("%0*d", 10+i%100, i)
		want = append(want, key)
		m.put(key, "", "")
	}
	s := serve(t, m, quiet())
	r, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if got := strings.Split(read(t, r), "\n"); !slices.Equal(want, got) {
		t.Errorf("%d keys, or not the same", len(got))
	}
}

// TestListBreaksOff: a client must be able to tell a list that was broken off from one
// that is complete, by HTTP/1.0 too.
func TestListBreaksOff(t *testing.T) {
	m := newModel()
	for i := range 2000 {
		m.put(fmt.Sprintf("%0100d", i), "", "")
	}
	m.failList = 1000
	s := serve(t, m, quiet())
	for _, version := range []string{"1.0", "1.1"} {
		c := dial(t, s)
		c.send("GET / HTTP/" + version + "\r\nHost: s\r\n\r\n")
		resp, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err == nil || resp.StatusCode != http.StatusOK {
			t.Errorf("HTTP/%s: status %d, %d bytes, and no error", version, resp.StatusCode, len(b))
		}
	}
	m.mu.Lock()
	m.failList = 10 // nothing has been sent by then
	m.mu.Unlock()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	if body := read(t, resp); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d: %q", resp.StatusCode, body)
	}
}

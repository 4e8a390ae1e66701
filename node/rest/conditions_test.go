package rest

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/eiri/seppen/api/uid"
	"github.com/eiri/seppen/node/kv"
)

// at is when the tests' entries were written; its nanoseconds do not show in dates.
var at = time.Date(2026, 11, 22, 20, 17, 47, 123456789, time.UTC)

func date(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }

// TestServeContent holds the answers to GET and HEAD against those of net/http for
// the same content.
func TestServeContent(t *testing.T) {
	m := newModel()
	m.now, m.chunk = func() time.Time { return at }, 3
	h := New(m, quiet())
	etag, other := m.secret.Sum([]byte("0123456789")).ETag(), uid.UID{}.ETag()
	tags := []string{"", "*", etag, other, "W/" + etag, other + ", " + etag, `"x",` + other, "W/" + other + " , W/" + etag}
	dates := []string{"", date(0), date(-time.Second), date(time.Second), date(0)[:10], at.Format(time.ANSIC), at.Format("Monday, 02-Jan-06 15:04:05 GMT")}
	ranges := []string{
		"", "bytes=0-", "bytes=0-0", "bytes=2-5", "bytes=9-9", "bytes=9-", "bytes=10-", "bytes=5-100", "bytes=-1", "bytes=-10",
		"bytes=-100", "bytes=3-2", "bytes=a-b", "bytes=1", "bytes=", "bytes=-", "bytes=--1", "bytes= 2-5 ",
	}
	ifRanges := append([]string{`"x"`}, append(tags[2:5], dates...)...)
	rapid.Check(t, func(rt *rapid.T) {
		value := "0123456789"
		if rapid.IntRange(0, 9).Draw(rt, "empty") == 0 {
			value = ""
		}
		e := m.put("k", "text/x-test", value)
		r := httptest.NewRequest(rapid.SampledFrom([]string{"GET", "HEAD"}).Draw(rt, "method"), "/k", nil)
		for _, h := range []struct {
			name   string
			values []string
		}{
			{"If-Match", tags},
			{"If-None-Match", tags},
			{"If-Modified-Since", dates},
			{"If-Unmodified-Since", dates},
			{"Range", ranges},
			{"If-Range", ifRanges},
		} {
			if rapid.Bool().Draw(rt, "with "+h.name) {
				if v := rapid.SampledFrom(h.values).Draw(rt, h.name); v != "" {
					r.Header.Set(h.name, v)
				}
			}
		}
		got, want := httptest.NewRecorder(), httptest.NewRecorder()
		h.ServeHTTP(got, r)
		if r.Method == "HEAD" || value == "" {
			r.Header.Del("Range") // has no meaning there (RFC 9110, section 14.2; net/http says "bytes 0--1/0")
		}
		want.Header().Set("Etag", e.UID.ETag())
		want.Header().Set("Content-Type", "text/x-test")
		http.ServeContent(want, r, "", e.ModifiedTime(), bytes.NewReader([]byte(value)))
		if got.Code != want.Code {
			rt.Fatalf("%v: status %d, want %d", r.Header, got.Code, want.Code)
		}
		compareAnswers(rt, got, want)
	})
}

func compareAnswers(t *rapid.T, got, want *httptest.ResponseRecorder) {
	t.Helper()
	names := []string{"Content-Range", "Etag", "Last-Modified", "Content-Length", "Content-Type", "Accept-Ranges"}
	switch want.Code {
	case http.StatusPreconditionFailed: // empty, so that nothing is said of the value
		names = nil
	case http.StatusRequestedRangeNotSatisfiable: // with a reason of our own
		if names = names[:1]; want.Header().Get("Content-Range") == "" {
			names = nil // net/http gives no size if the range is malformed
		}
	case http.StatusNotModified: // net/http gives Last-Modified only without an ETag
		names = names[:2]
	}
	for _, name := range names {
		if g, w := got.Header().Get(name), want.Header().Get(name); g != w {
			t.Errorf("%d: %s is %q, want %q", want.Code, name, g, w)
		}
	}
	if want.Code < 300 && got.Body.String() != want.Body.String() {
		t.Errorf("body %q, want %q", got.Body, want.Body)
	}
}

// naive is a second opinion on a request's conditions, written from the steps of RFC
// 9110, section 13.2.2. Status 0 means that the method is executed.
func naive(read bool, head http.Header, e *kv.Entry) int {
	list := `[ \t,]*(?:(?:W/)?"[!#-~\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))*`
	valid := func(name string) bool {
		v := latin1(head.Get(name))
		return regexp.MustCompile(`^[ \t,]*\*[ \t,]*$`).MatchString(v) || regexp.MustCompile(`^`+list+`$`).MatchString(v)
	}
	has := func(name string, weak bool) bool {
		v := latin1(head.Get(name))
		if strings.Trim(v, " \t,") == "*" {
			return true
		}
		for _, tag := range regexp.MustCompile(`(W/)?("[^"]*")`).FindAllStringSubmatch(v, -1) {
			if tag[2] == e.UID.ETag() && (weak || tag[1] == "") {
				return true
			}
		}
		return false
	}
	given := func(name string) bool { return head[name] != nil }
	since := func(name string) (time.Time, bool) {
		at, err := http.ParseTime(head.Get(name))
		return at, err == nil && given(name)
	}
	modified := e.ModifiedTime().Truncate(time.Second)
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if given(name) && !valid(name) {
			return http.StatusBadRequest
		}
	}
	if given("If-Match") { // step 1
		if !has("If-Match", false) {
			return http.StatusPreconditionFailed
		}
	} else if at, ok := since("If-Unmodified-Since"); ok && modified.After(at) { // step 2
		return http.StatusPreconditionFailed
	}
	if given("If-None-Match") { // step 3
		switch {
		case !has("If-None-Match", true):
		case read:
			return http.StatusNotModified
		default:
			return http.StatusPreconditionFailed
		}
	} else if at, ok := since("If-Modified-Since"); read && ok && !modified.After(at) { // step 4
		return http.StatusNotModified
	}
	return 0
}

// latin1 makes a rune of each byte, as regular expressions count runes.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func FuzzConditions(f *testing.F) {
	m := newModel()
	m.now = func() time.Time { return at }
	h := New(m, quiet())
	etag := m.put("k", "", "v").UID.ETag()
	for _, tag := range []string{"", "*", etag, "W/" + etag, `"x", ` + etag, `"x"`, strings.Trim(etag, `"`), "*,*", etag + etag} {
		for i, d := range []string{"", date(0), date(-time.Second), date(time.Second), "yesterday"} {
			f.Add(tag, "*", d, date(0), uint8(i*51))
			f.Add("*", tag, date(0), d, uint8(i*37))
		}
	}
	names := []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}
	methods := []string{"GET", "HEAD", "PUT", "DELETE"}
	executed := map[string]int{"GET": 200, "HEAD": 200, "PUT": 204, "DELETE": 204}
	f.Fuzz(func(t *testing.T, match, noMatch, modified, unmodified string, bits uint8) {
		e := m.put("k", "", "v")
		method := methods[bits>>4&3]
		r := httptest.NewRequest(method, "/k", strings.NewReader("w"))
		for i, v := range []string{match, noMatch, modified, unmodified} {
			if bits>>i&1 == 1 {
				r.Header[names[i]] = []string{v}
			}
		}
		want := naive(method == "GET" || method == "HEAD", r.Header, &e)
		if want == 0 {
			want = executed[method]
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s %q: status %d, want %d", method, r.Header, w.Code, want)
		}
	})
}

func TestConditionsWithoutValue(t *testing.T) {
	for _, tt := range []struct {
		method, name, value string
		status              int
	}{
		{"GET", "If-Match", "*", 404},
		{"GET", "If-None-Match", "*", 404},
		{"HEAD", "If-Unmodified-Since", date(0), 404},
		{"DELETE", "If-Match", "*", 404},
		{"PUT", "If-Match", "*", 412},
		{"PUT", "If-Match", `"x"`, 412},
		{"PUT", "If-Unmodified-Since", date(0), 412},
		{"PUT", "If-None-Match", "*", 201},
		{"PUT", "If-Modified-Since", date(0), 201},
	} {
		m := newModel()
		if got := request(New(m, quiet()), tt.method, "/k", "", tt.name, tt.value); got.StatusCode != tt.status {
			t.Errorf("%s with %s %s: status %d, want %d", tt.method, tt.name, tt.value, got.StatusCode, tt.status)
		}
	}
}

// changing is a model in which another client writes right after the first look-up.
type changing struct {
	*model
	write func()
}

func (c *changing) Lookup(ctx context.Context, key string, withValue bool) (kv.Entry, kv.Value, error) {
	e, v, err := c.model.Lookup(ctx, key, withValue)
	if c.write != nil {
		c.write()
		c.write = nil
	}
	return e, v, err
}

// TestEntryChangesBetweenLookups: with conditions a GET looks twice, and what it
// answers must be of the second look throughout.
func TestEntryChangesBetweenLookups(t *testing.T) {
	m := newModel()
	first, second := m.secret.Sum([]byte("first")).ETag(), m.secret.Sum([]byte("the second")).ETag()
	for _, tt := range []struct {
		header, value string
		status        int
		body, etag    string
	}{
		{"If-None-Match", `"x"`, 200, "the second", second},
		{"If-None-Match", second, 304, "", second},
		{"If-Match", first, 412, "", ""},
	} {
		m.put("k", "", "first")
		h := New(&changing{m, func() { m.put("k", "text/new", "the second") }}, quiet())
		r := request(h, "GET", "/k", "", tt.header, tt.value)
		if got := read(t, r); r.StatusCode != tt.status || got != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.header, tt.value, r.StatusCode, got, tt.status, tt.body)
		}
		if got := r.Header.Get("Etag"); got != tt.etag {
			t.Errorf("%s %s: ETag %s, want %s", tt.header, tt.value, got, tt.etag)
		}
	}
}

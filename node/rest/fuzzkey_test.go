package rest

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/eiri/seppen/node/kv"
)

// encode writes a key as a path. Each byte that a request line can carry as it is
// stays so or not as the source of bits has it.
func encode(key string, bits *rand.Rand) string {
	var b strings.Builder
	b.WriteByte('/')
	for i := range len(key) {
		c := key[i]
		if c <= ' ' || c == 0x7f || c == '%' || c == '?' || bits.IntN(2) == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// checkKey puts, reads, lists and removes one key.
func checkKey(t testing.TB, c *client, key string, seed uint64) {
	t.Helper()
	bits := rand.New(rand.NewPCG(seed, 0))
	do := func(method, target, body string, status int) (*http.Response, string) {
		t.Helper()
		c.send(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: seppen\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body))
		resp, got := c.answer(method)
		if resp.StatusCode != status {
			t.Fatalf("%s %.100q: status %d, want %d", method, target, resp.StatusCode, status)
		}
		return resp, got
	}
	if len(key) > kv.MaxKey {
		do("PUT", encode(key, bits), "value of "+key, http.StatusRequestURITooLong)
		return
	}
	do("PUT", encode(key, bits), "value of "+key, http.StatusCreated)
	do("HEAD", encode(key, bits), "", http.StatusOK)
	if _, got := do("GET", encode(key, bits), "", http.StatusOK); got != "value of "+key {
		t.Fatalf("%q: got %q", key, got)
	}
	if _, got := do("GET", "/", "", http.StatusOK); got != key {
		t.Fatalf("%q: the list is %q", key, got)
	}
	if _, got := do("GET", "/?prefix="+url.QueryEscape(key), "", http.StatusOK); got != key {
		t.Fatalf("%q: the list of its prefix is %q", key, got)
	}
	if _, got := do("GET", "/?after="+url.QueryEscape(key), "", http.StatusOK); got != "" {
		t.Fatalf("%q: the list after it is %q", key, got)
	}
	do("DELETE", encode(key, bits), "", http.StatusNoContent)
	do("GET", encode(key, bits), "", http.StatusNotFound)
}

var awkwardKeys = []string{
	"a", "/", "//", "a/", "/a", "a//b", ".", "..", "../..", "a/../b", "/./", "a/.", "%", "%2F", "%252F", "a%", "?", "a?b=c",
	"#", "a#b", "\x00", "\xff", "\xc3\x28", "\n", "a\nb", "\r\n", " ", "+", "&", ";", "=", "*", ":", "key", "*key", ":key",
	"http://host/path?query#fragment", "https%3A//x", "favicon.ico", "雪片", "\u202e", "healthz", "a b", "\\", "\"", "~",
	strings.Repeat("a", kv.MaxKey), strings.Repeat("/", kv.MaxKey), strings.Repeat("\x00", kv.MaxKey), strings.Repeat("\xff", kv.MaxKey+1),
}

func FuzzKey(f *testing.F) {
	for i, key := range awkwardKeys {
		f.Add(key, uint64(i))
	}
	s := serve(f, newModel(), quiet())
	f.Fuzz(func(t *testing.T, key string, seed uint64) {
		if key == "" || len(key) > 2*kv.MaxKey {
			t.Skip()
		}
		checkKey(t, dial(t, s), key, seed)
	})
}

func TestAnyKey(t *testing.T) {
	c := dial(t, serve(t, newModel(), quiet()))
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(rt, "key")
		checkKey(t, c, string(key), rapid.Uint64().Draw(rt, "seed"))
	})
	for b := range 256 {
		checkKey(t, c, string([]byte{byte(b)}), 0)
		checkKey(t, c, string([]byte{byte(b)}), 3)
	}
}

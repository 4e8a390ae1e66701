package client_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/eiri/seppen/api/client"
)

func TestEscapeKey(t *testing.T) {
	for key, want := range map[string]string{
		"plain-key_1.txt~": "/plain-key_1.txt~",
		"a/b/c":            "/a/b/c",
		"a b+c?d#e%f":      "/a%20b%2Bc%3Fd%23e%25f",
		"\x00\xff雪":        "/%00%FF%E9%9B%AA",
		".":                "/%2E",
		"..":               "/%2E%2E",
		"a/../b":           "/a%2F%2E%2E%2Fb",
		"a/./b.c":          "/a%2F%2E%2Fb%2Ec",
		"/a":               "/%2Fa",
		"a/":               "/a%2F",
		"a//b":             "/a%2F%2Fb",
		"...":              "/...",
		"a;b=c,d@e:f":      "/a%3Bb%3Dc%2Cd%40e%3Af",
	} {
		if got := client.EscapeKey(key); got != want {
			t.Errorf("%q: %s, want %s", key, got, want)
		}
	}
}

// checkEscape checks that a path leads back to its key, and only to it, also after
// somebody normalised it.
func checkEscape(t *testing.T, key string) {
	t.Helper()
	p := client.EscapeKey(key)
	if got, err := url.PathUnescape(p); err != nil || got != "/"+key {
		t.Errorf("%q: %s leads to %q, %v", key, p, got, err)
	}
	if clean := path.Clean(p); clean != p {
		t.Errorf("%q: %s becomes %s", key, p, clean)
	}
	for i := range len(p) {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%", rune(p[i])) {
			t.Errorf("%q: %s holds %q", key, p, p[i])
		}
	}
}

// FuzzKey puts, gets, lists and removes a value under any key.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", ".", "..", "a/../b", "//", "a/", "%2F", "%", "?x=1", "\x00\n\xff", "雪/片", "a+b c"} {
		f.Add(key)
	}
	c, store := serve(f)
	f.Fuzz(func(t *testing.T, key string) {
		_, _, err := c.Put(t.Context(), key, strings.NewReader(key), client.PutOptions{Size: int64(len(key))})
		if key == "" || len(key) > client.MaxKey {
			if err == nil {
				t.Fatalf("a key of %d bytes was accepted", len(key))
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		checkEscape(t, key)
		if got, _, ok := store.Value(key); !ok || got != key {
			t.Fatalf("%q was stored as something else", key)
		}
		if info, err := c.Head(t.Context(), key); err != nil || info.Size != int64(len(key)) {
			t.Fatalf("%+v, %v", info, err)
		}
		found := false
		for info, err := range c.List(t.Context(), client.ListOptions{Prefix: key}) {
			if err != nil {
				t.Fatal(err)
			}
			found = found || info.Key == key
		}
		if !found {
			t.Errorf("%q is not in the list", key)
		}
		if err := c.Delete(t.Context(), key, client.Conditions{}); err != nil {
			t.Fatal(err)
		}
	})
}

package client

import "strings"

// MaxKey is the longest key in bytes.
const MaxKey = 4096

const upperHex = "0123456789ABCDEF"

// EscapeKey is the path of a key, with its leading slash. Every byte that is not
// unreserved (RFC 3986, section 2.3) is percent-encoded, so that any bytes come through.
// Slashes stay readable, but not in a key that has empty or dot segments: those would
// be taken out on the way by whoever normalises paths.
func EscapeKey(key string) string {
	slashes := !fragile(key)
	var b strings.Builder
	b.Grow(len(key) + 16)
	b.WriteByte('/')
	for i := range len(key) {
		switch c := key[i]; {
		case unreserved(c) && (slashes || c != '.'), c == '/' && slashes:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(upperHex[c>>4])
			b.WriteByte(upperHex[c&15])
		}
	}
	return b.String()
}

// fragile tells whether a path made of the key would change when it is normalised.
func fragile(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

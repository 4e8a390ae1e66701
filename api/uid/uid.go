// Package uid names values. A uid is HMAC-SHA256(secret, value): 32 bytes that
// only those who know the cluster's secret can compute, and whose first byte is
// the slot where the value lives. Keys are placed by the same hash.
package uid

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"sync"
)

// Size is the length of a uid in bytes.
const Size = sha256.Size

// UID is the name of a value: HMAC-SHA256(secret, value bytes).
type UID [Size]byte

// Slot is the slot in which the value lives, the first byte of its uid.
func (u UID) Slot() uint8 { return u[0] }

// String is the uid in lower-case hexadecimal, 64 characters.
func (u UID) String() string { return hex.EncodeToString(u[:]) }

// ETag is the uid as an HTTP entity tag: lower-case hexadecimal in double quotes.
func (u UID) ETag() string {
	var b [2*Size + 2]byte
	b[0], b[len(b)-1] = '"', '"'
	hex.Encode(b[1:], u[:])
	return string(b[:])
}

// ErrSyntax is returned by Parse for text that is not a uid.
var ErrSyntax = errors.New("a uid is 64 lower-case hexadecimal digits")

// Parse reads a uid in lower-case hexadecimal, as String prints it.
func Parse(s string) (UID, error) {
	var u UID
	if len(s) != 2*Size {
		return u, ErrSyntax
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return u, ErrSyntax
		}
	}
	if _, err := hex.Decode(u[:], []byte(s)); err != nil {
		return u, ErrSyntax
	}
	return u, nil
}

// Secret computes uids and slots for one cluster. It is safe for concurrent use.
type Secret struct {
	peerKey     []byte
	fingerprint string
	pool        sync.Pool
}

// TrimLine takes the line break off the end of a secret's text, one at most: a file made
// with an editor has one. Nodes and the operator must agree on what the secret is.
func TrimLine(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// NewSecret returns the hasher for a cluster's secret, which may have any length
// but zero. The bytes are copied.
func NewSecret(secret []byte) (*Secret, error) {
	if len(secret) == 0 {
		return nil, errors.New("the secret is empty")
	}
	secret = append([]byte(nil), secret...)
	// The salt is the HMAC's key here and the secret its message, so this key is
	// not among the hashes that a client can have computed by storing a value.
	peerKey, err := hkdf.Key(sha256.New, secret, []byte("seppen.io/peer/v1"), "", Size)
	if err != nil {
		return nil, err
	}
	fingerprint, err := hkdf.Key(sha256.New, secret, []byte("seppen.io/fingerprint/v1"), "", 8)
	if err != nil {
		return nil, err
	}
	s := &Secret{peerKey: peerKey, fingerprint: hex.EncodeToString(fingerprint)}
	s.pool.New = func() any { return &Hash{mac: hmac.New(sha256.New, secret), pool: &s.pool} }
	return s, nil
}

// PeerKey is the key with which nodes prove to each other that they know the
// secret. Callers must not change it.
func (s *Secret) PeerKey() []byte { return s.peerKey }

// Fingerprint tells two secrets apart and nothing else of them: 16 hexadecimal digits
// that may be kept where the secret may not.
func (s *Secret) Fingerprint() string { return s.fingerprint }

// Sum is the uid of a value that is at hand whole.
func (s *Secret) Sum(value []byte) UID {
	h := s.Hash()
	defer h.Close()
	h.mac.Write(value)
	return h.UID()
}

// KeySlot is the slot of a key's entry: the first byte of HMAC(secret, key).
func (s *Secret) KeySlot(key string) uint8 {
	h := s.Hash()
	defer h.Close()
	h.buf = append(h.buf[:0], key...)
	h.mac.Write(h.buf)
	return h.UID().Slot()
}

// Hash returns a hash to compute a uid piece by piece; give it back with Close.
func (s *Secret) Hash() *Hash { return s.pool.Get().(*Hash) }

// Hash computes one uid from a value that comes in pieces.
type Hash struct {
	mac  hash.Hash
	sum  [Size]byte
	buf  []byte
	pool *sync.Pool
}

// Write adds bytes of the value. It never fails.
func (h *Hash) Write(p []byte) (int, error) { return h.mac.Write(p) }

// UID is the uid of the bytes written so far.
func (h *Hash) UID() UID {
	h.mac.Sum(h.sum[:0])
	return h.sum
}

// Close returns the hash to its secret's pool; it must not be used afterwards.
func (h *Hash) Close() {
	h.mac.Reset()
	h.pool.Put(h)
}

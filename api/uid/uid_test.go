package uid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func naive(key, msg []byte) (u UID) {
	m := hmac.New(sha256.New, key)
	m.Write(msg)
	return UID(m.Sum(nil))
}

func TestSumIsHMAC(t *testing.T) {
	s, err := NewSecret([]byte("snowflake"))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"", "x", "hello", string(make([]byte, 1<<20))} {
		want := naive([]byte("snowflake"), []byte(v))
		if got := s.Sum([]byte(v)); got != want {
			t.Errorf("uid of %d bytes: %s, want %s", len(v), got, want)
		}
		if got := s.KeySlot(v); got != want[0] {
			t.Errorf("slot of %d bytes: %d, want %d", len(v), got, want[0])
		}
		h := s.Hash()
		for i := range len(v) {
			h.Write([]byte{v[i]})
		}
		if got := h.UID(); got != want {
			t.Errorf("piece by piece: %s, want %s", got, want)
		}
		h.Close()
	}
}

// A client can have HMAC(secret, m) computed for any m by storing it and reading
// the ETag, so the peers' key must not be of that form, nor the secret itself.
func TestPeerKeyIsNoUID(t *testing.T) {
	secret := []byte("snowflake")
	s, _ := NewSecret(secret)
	k := UID(s.PeerKey())
	for _, m := range []string{"", "seppen.io/peer/v1", "seppen.io/peer/v1\x01", "\x01", "snowflake"} {
		if naive(secret, []byte(m)) == k {
			t.Errorf("the peer key is the uid of %q", m)
		}
	}
	other, _ := NewSecret([]byte("snowflakf"))
	if UID(other.PeerKey()) == k {
		t.Error("two secrets have one peer key")
	}
}

func TestFingerprint(t *testing.T) {
	s, _ := NewSecret([]byte("snowflake"))
	same, _ := NewSecret([]byte("snowflake"))
	other, _ := NewSecret([]byte("snowflakf"))
	if s.Fingerprint() != same.Fingerprint() || s.Fingerprint() == other.Fingerprint() {
		t.Error("it does not tell secrets apart")
	}
	// It lies where the secret may not: it must not change, nor be part of a key.
	if s.Fingerprint() != "356b0a1a11156a20" || strings.Contains(hex.EncodeToString(s.PeerKey()), s.Fingerprint()) {
		t.Errorf("%s", s.Fingerprint())
	}
}

func TestParse(t *testing.T) {
	s, _ := NewSecret([]byte("x"))
	u := s.Sum([]byte("value"))
	if got, err := Parse(u.String()); err != nil || got != u {
		t.Errorf("%v %v", got, err)
	}
	if want := `"` + u.String() + `"`; u.ETag() != want {
		t.Errorf("ETag %s, want %s", u.ETag(), want)
	}
	for _, bad := range []string{"", "00", u.String() + "0", "G" + u.String()[1:], "A" + u.String()[1:]} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if _, err := NewSecret(nil); err == nil {
		t.Error("an empty secret was taken")
	}
}

func BenchmarkKeySlot(b *testing.B) {
	s, _ := NewSecret([]byte("snowflake"))
	b.ReportAllocs()
	for b.Loop() {
		s.KeySlot("a key of thirty-two bytes, about")
	}
}

func TestTrimLine(t *testing.T) {
	for in, want := range map[string]string{"": "", "x": "x", "x\n": "x", "x\r\n": "x", "x\r": "x", "x\n\n": "x\n", "\n": "", " x \n": " x "} {
		if got := string(TrimLine([]byte(in))); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

package chaos

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/eiri/seppen/api/uid"
)

// values numbers all values that clients write, from 1. They differ from each other.
type values struct {
	mu     sync.Mutex
	uids   []uid.UID
	number map[string]int // by ETag
}

func newValues() *values {
	return &values{uids: []uid.UID{{}}, number: make(map[string]int)}
}

// add makes a value, most of them small, some so large that they take another way.
func (v *values) add(rnd *rand.Rand) (number int, body []byte) {
	size := 40
	switch rnd.IntN(40) {
	case 0:
		size = 70_000
	case 1, 2:
		size = 5_000
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	number = len(v.uids)
	body = content(number, size)
	u := secret.Sum(body)
	v.uids = append(v.uids, u)
	v.number[u.ETag()] = number
	return number, body
}

// content is a value of some size, at least as large as its number's text.
func content(number, size int) []byte {
	b := fmt.Appendf(nil, "value %d ", number)
	for len(b) < size {
		b = append(b, byte('a'+len(b)%23))
	}
	return b
}

// numbered is the value of an ETag, 0 for none that was ever written.
func (v *values) numbered(etag string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.number[etag]
}

func (v *values) uid(number int) uid.UID {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.uids[number]
}

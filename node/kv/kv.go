// Package kv holds the words that the packages of a node share: what an entry is,
// what a client may demand of it, and how a request can fail.
package kv

import (
	"cmp"
	"time"

	"github.com/eiri/seppen/api/uid"
)

// MaxKey is the longest key in bytes. Any byte string of 1 to MaxKey bytes is a key.
const MaxKey = 4096

// MaxContentType is the longest content type in bytes that an entry keeps.
const MaxContentType = 255

// Version orders the entries of one slot. It only grows.
type Version struct {
	// View is the epoch in which the slot's owners last changed.
	View uint64
	// N counts the operations of one view, from 1.
	N uint64
}

// Compare is negative if v is older than w, positive if newer, else zero.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.View, w.View); c != 0 {
		return c
	}
	return cmp.Compare(v.N, w.N)
}

// Entry is what a key refers to. It is a copy: nothing in it aliases the store.
type Entry struct {
	Key         string
	UID         uid.UID
	Size        int64  // of the value, bytes
	ContentType string // as the client gave it; empty means application/octet-stream
	Version     Version
	Modified    int64 // Unix time of the primary when it ordered the entry, nanoseconds
	Expires     int64 // Unix time, nanoseconds; 0: never
	Deleted     bool  // a tombstone: the key has no value since Version
}

// ModifiedTime is Modified as a time in UTC.
func (e *Entry) ModifiedTime() time.Time { return time.Unix(0, e.Modified).UTC() }

package kv

import (
	"context"
	"io"

	"github.com/eiri/seppen/api/uid"
)

// Backend is a whole cluster as the REST interface sees it: every key, whichever
// node holds it. Its errors wrap those of this package.
type Backend interface {
	// Lookup returns the entry of a key and, if withValue, its value as well. Without
	// it the Value is nil. ErrNotFound if the key has none.
	Lookup(ctx context.Context, key string, withValue bool) (Entry, Value, error)
	// NewBody takes in a value piece by piece. size is its length if known, else -1.
	NewBody(ctx context.Context, size int64) (Body, error)
	// Put places the body's value and makes the key refer to it if the conditions
	// hold. It takes over the body in every case. created tells a new key.
	Put(ctx context.Context, key, contentType string, body Body, cond Conditions) (entry Entry, created bool, err error)
	// Delete removes the key if the conditions hold. ErrNotFound if it has no value.
	Delete(ctx context.Context, key string, cond Conditions) error
	// List calls yield for each entry whose key has the prefix and is greater than
	// after, in the order of the keys' bytes, at most limit of them if limit > 0,
	// until yield returns an error, which it then returns. An error that is not
	// yield's may come after some entries: the list is then cut short.
	List(ctx context.Context, q ListQuery, yield func(*Entry) error) error
}

// ListQuery says which entries a list has.
type ListQuery struct {
	Prefix string
	After  string
	Limit  int // 0: all
}

// Body takes in one value. Write may return ErrNoMemory.
type Body interface {
	io.Writer
	// Discard gives up the value. It does nothing after Put took over the body.
	Discard()
}

// Value is the bytes of one value, checked against its uid. They never change.
// Close must be called once.
type Value interface {
	UID() uid.UID
	Chunked // the chunks are valid until Close
	Close()
}

// WholeOnly marks values that are checked while they are read: only once, from front
// to back, by one reader, who may believe them only after the last chunk.
type WholeOnly interface{ WholeOnly() }

//go:build !unix || race

package arena

// extentPages makes extents of 1 MiB, for here they cost their whole size.
const extentPages = 16

// mapMemory uses the Go heap, which the race detector watches.
func mapMemory(n int) []byte { return make([]byte, n) }

func fillMemory([]byte) {}

func unmapMemory([]byte) {}

// dropMemory cannot give a part of an allocation back. It clears it instead, so
// that a use after freeing is seen here as it is elsewhere.
func dropMemory(mem []byte) { clear(mem) }

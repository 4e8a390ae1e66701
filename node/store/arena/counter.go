package arena

import (
	"sync/atomic"
	"unsafe"
)

// Counter is the first 4 bytes of a cell as an atomic counter. Cells begin at
// multiples of 8 bytes, so it is aligned.
func Counter(cell []byte) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(unsafe.SliceData(cell[:4])))
}

//go:build !race

package arena

import "golang.org/x/sys/unix"

// avoidHugePages keeps the kernel from backing the memory with pages of 2 MiB: a
// node with three keys would take 2 MiB for them, and memory that was given back in
// pieces would be filled in again. A kernel without huge pages says EINVAL.
func avoidHugePages(mem []byte) {
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
}

// fillMemory gets memory for all of it now. Where that cannot be had (a kernel before 5.14, a
// container at its limit) it comes when it is written to, or not at all, as ever.
func fillMemory(mem []byte) {
	_ = unix.Madvise(mem, unix.MADV_POPULATE_WRITE)
}

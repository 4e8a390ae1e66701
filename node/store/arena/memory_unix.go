//go:build unix && !race

package arena

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// extentPages makes extents of 64 MiB. They cost nothing until they are written
// to, and a terabyte of them stays far below vm.max_map_count.
const extentPages = 1024

func mapMemory(n int) []byte {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		// As for the Go heap: there is no way on without memory.
		panic(fmt.Sprintf("arena: cannot map %d bytes: %v", n, err))
	}
	avoidHugePages(mem)
	return mem
}

func unmapMemory(mem []byte) {
	if err := unix.Munmap(mem); err != nil {
		panic(fmt.Sprintf("arena: cannot unmap: %v", err))
	}
}

// dropMemory gives the memory back; it reads as zeros when used again.
func dropMemory(mem []byte) {
	if err := unix.Madvise(mem, unix.MADV_DONTNEED); err != nil {
		panic(fmt.Sprintf("arena: cannot give back memory: %v", err))
	}
}

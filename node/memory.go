package node

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const mib = 1 << 20

// memory is how a node divides the memory that it may use.
type memory struct {
	store   int64 // keys and values
	transit int64 // values that only pass through
	heap    int64 // the Go heap, soft: GOMEMLIMIT
	conns   int   // client connections, each of which takes some of the heap
}

// available returns what this process may use: its cgroup's limit or the machine's
// memory, in bytes.
func available() (int64, error) {
	n, err := memlimit.FromCgroup()
	if system, serr := memlimit.FromSystem(); err != nil || serr == nil && system < n {
		n, err = system, serr
	}
	if err != nil {
		return 0, fmt.Errorf("how much memory there is: %w", err)
	}
	return int64(min(n, math.MaxInt64)), nil
}

// heapMin is what a node needs besides what it stores.
const heapMin = 32 * mib

// divide plans the memory of a process that may use total bytes. A limit of 0 means
// three quarters of it, but leaves 64 MiB at least where there is so much. The limit
// is for all that is stored and passes through.
func divide(total, limit, maxValue int64) (memory, error) {
	switch {
	case limit < 0:
		return memory{}, errors.New("the memory limit is negative")
	case limit == 0:
		limit = max(min(total/4*3, total-64*mib), total/3)
	case limit > total-heapMin:
		return memory{}, fmt.Errorf("a memory limit of %d bytes leaves less than %d MiB of the %d bytes that this process may use", limit, heapMin/mib, total)
	}
	if limit < mib {
		return memory{}, fmt.Errorf("a memory limit of %d bytes is less than 1 MiB", limit)
	}
	var m memory
	// A value of the largest size can pass through, unless that took over a quarter.
	m.transit = max(limit/8, min(maxValue, limit/4))
	m.store = limit - m.transit
	rest := min(total, limit/3*4+256*mib) - limit
	m.heap = max(heapMin/2, rest-max(rest/8, 4*mib))
	m.conns = int(max(64, min(10000, m.heap/2/connBytes)))
	return m, nil
}

// connBytes is about what a connection that sends or takes a value costs at most.
const connBytes = 96 << 10

// apply sets the collector's limits, unless the environment has set them. What is
// stored lies outside the Go heap, so the heap is small and may well grow severalfold
// between collections.
func (m memory) apply() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(m.heap)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

package peer

import (
	"net"

	"golang.org/x/sys/unix"
)

// bulkPriority is TC_PRIO_BULK of linux/pkt_sched.h: the queues of pfifo_fast and fq send what
// has no priority first.
const bulkPriority = 2

func setBackground(c *net.TCPConn, on bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	priority := 0
	if on {
		priority = bulkPriority
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY, priority) // it goes without as well
	})
}

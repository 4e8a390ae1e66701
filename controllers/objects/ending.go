package objects

import (
	"fmt"
	"time"

	"github.com/eiri/seppen/api/v1alpha1"
)

const (
	// stopTime is a little more than a node takes at most to finish what is in flight (its
	// --drain-timeout).
	stopTime = 30 * time.Second
	// comeTime is what a new pod may take to be scheduled, to fetch its image and to start.
	comeTime = 5 * time.Minute
	// longest is for how long at most the end of a pod may hold up whoever waits for it, such
	// as the drain of a machine.
	longest = 24 * time.Hour
	// linger is how long a pod's address may be used after it has left the Service.
	linger = 3 * time.Second
)

// EndingBytesPerSecond is how fast a node that is being stopped is copied at the least: by this
// its pod's grace period is reckoned, and a limit that is lower does not hold meanwhile. So the
// grace period does not depend on the limit, and to change that replaces no pod.
const EndingBytesPerSecond = 16 << 20

// grace is how long a node has from when it is told to stop until it is killed: as it may be
// the only one who has something, long enough for a new one to come and to copy all of it.
func grace(c *v1alpha1.SeppenCluster) time.Duration {
	return min(stopTime+comeTime+copyTime(c), longest)
}

// copyTime is how long it takes to copy a node that is full.
func copyTime(c *v1alpha1.SeppenCluster) time.Duration {
	limits := resources(c).Limits
	seconds := limits.Memory().Value()/EndingBytesPerSecond + 1
	return min(time.Duration(seconds), longest/time.Second) * time.Second // a product that cannot overflow
}

func endingArgs(c *v1alpha1.SeppenCluster) []string {
	return []string{fmt.Sprint("--leave-timeout=", grace(c)-stopTime), fmt.Sprint("--linger=", linger)}
}

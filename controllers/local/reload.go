package local

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// changes are what the file says each time that SIGHUP comes.
func (o *options) changes(stderr io.Writer) (changes <-chan Change, done func()) {
	out := make(chan Change)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	released, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-released:
				return
			case <-signals:
			}
			c, said, err := o.change()
			if err != nil {
				fmt.Fprintf(stderr, "nothing is changed: %v\n", err)
				continue
			}
			fmt.Fprintf(stderr, "%s was read again: %s\n", o.file, said)
			select {
			case out <- c:
			case <-released:
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(released)
		<-ended
	}
}

// change is what the file says now, and in words what that changes. What cannot be changed
// is compared with what the cluster was started with, all else with what was read last.
func (o *options) change() (c Change, said string, err error) {
	if o.file == "" {
		return c, "", errors.New("there is no file to read again: start with -f FILE to change a cluster that runs")
	}
	cluster, c, err := read(o.file)
	if err == nil && o.memory != "" {
		c.MemoryLimit, err = bytes(o.memory)
	}
	if err != nil {
		return c, "", err
	}
	e, err := compare(o.seen, cluster, o.memory != "")
	if err != nil {
		return c, "", fmt.Errorf("%s: %w", o.file, err)
	}
	cluster.Name, cluster.Spec.SecretRef = o.seen.Name, o.seen.Spec.SecretRef
	o.seen = cluster
	return c, e.String(), nil
}

package local

import (
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
			c, err := o.change()
			if err != nil {
				fmt.Fprintf(stderr, "nothing is changed: %v\n", err)
				continue
			}
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

// change is what the file says now.
func (o *options) change() (Change, error) {
	if o.file == "" {
		return Change{}, fmt.Errorf("there is no file to read again: start with -f FILE to change a cluster that runs")
	}
	_, c, err := read(o.file)
	if err == nil && o.memory != "" {
		c.MemoryLimit, err = bytes(o.memory)
	}
	return c, err
}

package kubectl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// source is one pod's log.
type source struct {
	namespace, pod string
	operator       bool
	last           time.Time // of the last line that was read
	running        bool      // somebody reads it
}

// line is one line of a log.
type line struct {
	at   time.Time
	from *source
	text string
}

// unread is that some logs could not be read.
type unread struct{ error }

func (u unread) Unwrap() error { return u.error }

type opener func(context.Context, *source) (io.ReadCloser, error)

// merge yields the lines of several logs in the order of their times. It holds one line of
// each. At the end it yields what could not be read, as an unread.
func merge(ctx context.Context, sources []*source, open opener) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		var heads []*head
		var failed error
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		add := func(h *head) {
			if h.next() {
				heads = append(heads, h)
			} else if h.err != nil {
				failed = errors.Join(failed, h.err)
			}
		}
		for _, s := range sources {
			add(begin(ctx, s, open))
		}
		for len(heads) > 0 {
			first := 0
			for i, h := range heads {
				if h.line.at.Before(heads[first].line.at) {
					first = i
				}
			}
			h := heads[first]
			if !yield(h.line, nil) {
				return
			}
			if h.next() {
				continue
			}
			if h.err != nil {
				failed = errors.Join(failed, h.err)
			}
			heads = append(heads[:first], heads[first+1:]...)
		}
		if failed != nil {
			yield(line{}, unread{failed})
		}
	}
}

// head is the next line of a log.
type head struct {
	from  *source
	line  line
	err   error
	lines func() (line, error, bool)
	stop  func()
}

func begin(ctx context.Context, s *source, open opener) *head {
	h := &head{from: s}
	h.lines, h.stop = iter.Pull2(read(ctx, s, open))
	return h
}

func (h *head) next() bool {
	l, err, ok := h.lines()
	h.line, h.err = l, err
	if !ok || err != nil {
		h.stop()
		return false
	}
	return true
}

// read yields the lines of one log. Their times never go back: a line without one has that of
// the line before.
func read(ctx context.Context, s *source, open opener) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		stream, err := open(ctx, s)
		if err != nil {
			yield(line{}, fmt.Errorf("log of %s: %w", s.pod, err))
			return
		}
		defer stream.Close()
		r := bufio.NewReader(stream)
		for {
			text, err := r.ReadString('\n')
			if text != "" && !yield(s.line(strings.TrimRight(text, "\r\n")), nil) {
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(line{}, fmt.Errorf("log of %s: %w", s.pod, err))
				return
			}
		}
	}
}

// line takes the time off that Kubernetes puts before each line.
func (s *source) line(text string) line {
	if stamp, rest, ok := strings.Cut(text, " "); ok {
		if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			if at.After(s.last) {
				s.last = at
			}
			text = rest
		}
	}
	return line{at: s.last, from: s, text: text}
}

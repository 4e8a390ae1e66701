package chaos

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// journal is what the author and the nodes said, and when.
type journal struct {
	mu    sync.Mutex
	rest  []byte
	lines []line
}

type line struct {
	at   time.Time
	text string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rest = append(j.rest, p...)
	for {
		text, rest, found := bytes.Cut(j.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		j.lines = append(j.lines, line{time.Now(), string(text)})
		j.rest = rest
	}
}

// find returns the lines that match.
func (j *journal) find(pattern string) (found []line) {
	re := regexp.MustCompile(pattern)
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if re.MatchString(l.text) {
			found = append(found, l)
		}
	}
	return found
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var b strings.Builder
	for _, l := range j.lines {
		fmt.Fprintf(&b, "%s %s\n", l.at.Format("15:04:05.000"), l.text)
	}
	return b.String()
}

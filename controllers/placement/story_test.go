package placement

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

var update = flag.Bool("update", false, "rewrite testdata")

var cluster = layout.ID{0xc}

// TestStories plays the stories in testdata. Lines with ">" are what happens; then, at
// the next empty line, the author takes steps until there is none left, or as many as
// "steps" says, and what follows is each of them and what it says at the end. Lines with
// "#" are for readers.
//
// A process is called by the base of its name and its incarnation, such as a3. One that
// runs answers, has the newest layout and, as a serving member, is complete and where it
// is the primary active, unless the story says otherwise. In what is told "a3+" is an
// attached owner.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("there are no stories")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			check(t, err)
			told := (&story{t: t}).play(string(text))
			if *update {
				check(t, os.WriteFile(file, []byte(told), 0o600))
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(told, "\n")); diff != "" {
				t.Errorf("-story +played (go test -update rewrites it):\n%s", diff)
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

type story struct {
	t         *testing.T
	names     []layout.Name
	current   *layout.Layout
	limit     int // steps that the author takes before something else happens
	processes []*process
	silent    map[layout.ID]time.Duration
	ending    map[layout.ID]time.Duration
	dead      []layout.ID
}

// process is a node and what it would say.
type process struct {
	Observation

	gone             bool // it does not answer
	lags             bool // it does not adopt
	waking           bool // it is not active
	copied, complete map[uint8]bool
}

func (s *story) play(text string) string {
	var out strings.Builder
	due := false
	for line := range strings.Lines(text + "\n") {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">"):
			due = true
			out.WriteString(line + "\n")
			s.do(strings.Fields(line[1:]))
		case line == "" && due:
			due = false
			out.WriteString(s.author() + "\n")
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// author takes steps until there is none left, or it goes on for too long.
func (s *story) author() string {
	var out strings.Builder
	limit := s.limit
	for i := range 20 {
		if s.limit = 0; limit > 0 && i == limit {
			return out.String()
		}
		w := s.world()
		next, why := Next(cluster, s.current, s.names, w)
		out.WriteString(tell(next, why))
		if next == nil {
			return out.String()
		}
		examine(s.t, s.current, next, s.names, w)
		s.current = next
	}
	s.t.Errorf("the author does not come to rest:\n%s", out.String())
	return out.String()
}

func (s *story) world() World {
	w := World{Silent: s.silent, Ending: s.ending, Dead: s.dead}
	for _, p := range s.processes {
		if !p.gone {
			w.Seen = append(w.Seen, s.observe(p))
		}
	}
	return w
}

func (s *story) observe(p *process) Observation {
	if s.current != nil && isMember(s.current, p.Incarnation) && !p.lags {
		p.Cluster, p.Epoch = cluster, s.current.Epoch
		p.Segments = s.claims(p)
	}
	return p.Observation
}

func (s *story) claims(p *process) []peer.SegmentStatus {
	var out []peer.SegmentStatus
	for i := range s.current.Segments {
		g := &s.current.Segments[i]
		if !p.Name.Range.Contains(g.Lo) {
			continue
		}
		c := peer.SegmentStatus{Lo: g.Lo, View: g.View, Copied: p.copied[g.Lo], Complete: p.complete[g.Lo]}
		var primary *layout.Member
		for _, j := range g.Order {
			m := &s.current.Members[j]
			if m.Phase == layout.Serving && primary == nil {
				primary = m
			}
			c.Complete = c.Complete || m.Incarnation == p.Incarnation && m.Phase == layout.Serving
		}
		c.Active = primary != nil && primary.Incarnation == p.Incarnation && !p.waking
		out = append(out, c)
	}
	return out
}

// do makes happen what a line says.
func (s *story) do(words []string) {
	s.t.Helper()
	if words[0] == "nodes" {
		var err error
		s.names, err = layout.ParseNames(words[1:])
		check(s.t, err)
		return
	}
	if words[0] == "steps" {
		var err error
		s.limit, err = strconv.Atoi(words[1])
		check(s.t, err)
		return
	}
	p := s.process(words[0])
	rest := words[2:]
	switch words[1] {
	case "runs", "seen":
		p.gone = false
	case "ends":
		p.gone = true
	case "died":
		p.gone, s.dead = true, append(s.dead, p.Incarnation)
	case "silent":
		p.gone, s.silent[p.Incarnation] = s.duration(rest[0]) >= SuspectAfter, s.duration(rest[0])
	case "answers":
		p.gone = false
		delete(s.silent, p.Incarnation)
	case "ending":
		s.ending[p.Incarnation] = s.duration(rest[0])
	case "copied":
		p.copied = s.slots(p, rest)
	case "complete":
		p.complete = s.slots(p, rest)
	case "hears":
		p.Peers = slices.DeleteFunc(p.Peers, func(q peer.PeerStatus) bool { return q.Incarnation == s.process(rest[0]).Incarnation })
		p.Peers = append(p.Peers, peer.PeerStatus{Incarnation: s.process(rest[0]).Incarnation, Silent: s.duration(rest[1]).Milliseconds()})
	default:
		s.doMore(p, words[1], rest)
	}
}

func (s *story) doMore(p *process, what string, rest []string) {
	s.t.Helper()
	var err error
	switch what {
	case "returned":
		p.Answering, err = time.ParseDuration(rest[0])
	case "purged":
		p.Purged, err = strconv.ParseUint(rest[0], 10, 64)
	case "epoch":
		p.Cluster, p.lags = cluster, true
		p.Epoch, err = strconv.ParseUint(rest[0], 10, 64)
	case "cluster":
		p.Cluster, p.lags = layout.ID{0xd}, true
	case "layout":
		p.Layout = rest[0]
		if rest[0] == "same" {
			hash := s.current.Hash()
			p.Layout = hex.EncodeToString(hash[:])
		}
	case "claims": // whatever it is
		for i := range p.Segments {
			p.Segments[i].Copied, p.Segments[i].Complete = true, true
		}
	case "unfit":
		p.Unfit = true
	case "reaches", "misses": // the one that joins answered so long ago, or never since it is asked for so long
		id := s.process(rest[0]).Incarnation
		p.Joining = slices.DeleteFunc(p.Joining, func(j peer.JoiningStatus) bool { return j.Incarnation == id })
		p.Joining = append(p.Joining, peer.JoiningStatus{
			Incarnation: id, Answered: what == "reaches", Silent: s.duration(rest[1]).Milliseconds(),
		})
	case "lags":
		p.lags = true
	case "adopts":
		p.lags = false
	case "wakes":
		p.waking = true
	case "active":
		p.waking = false
	default:
		s.t.Fatalf("what is %q?", what)
	}
	check(s.t, err)
}

func (s *story) process(word string) *process {
	s.t.Helper()
	if s.silent == nil {
		s.silent, s.ending = make(map[layout.ID]time.Duration), make(map[layout.ID]time.Duration)
	}
	n, err := strconv.ParseUint(word[1:], 10, 8)
	check(s.t, err)
	for _, p := range s.processes {
		if p.Incarnation == (layout.ID{byte(n)}) && p.Name.Base == word[:1] {
			return p
		}
	}
	name := layout.Name{Base: word[:1], Range: layout.Range{Hi: layout.Slots - 1}}
	if i := slices.IndexFunc(s.names, func(n layout.Name) bool { return n.Base == word[:1] }); i >= 0 {
		name = s.names[i]
	}
	p := &process{Observation: Observation{
		Name: name, Address: word + ":1", Home: word, Incarnation: layout.ID{byte(n)}, Answering: time.Hour,
	}}
	s.processes = append(s.processes, p)
	return p
}

func (s *story) duration(word string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(word)
	check(s.t, err)
	return d
}

// slots are those that are given, or all.
func (s *story) slots(p *process, words []string) map[uint8]bool {
	s.t.Helper()
	in := make(map[uint8]bool)
	for slot := range layout.Slots {
		in[uint8(slot)] = len(words) == 0 && p.Name.Range.Contains(uint8(slot))
	}
	for _, w := range words {
		n, err := strconv.ParseUint(w, 10, 8)
		check(s.t, err)
		in[uint8(n)] = true
	}
	return in
}

func tell(l *layout.Layout, why string) string {
	why = strings.NewReplacer(cluster.String(), "c", layout.ID{0xd}.String(), "d").Replace(why)
	if l == nil {
		return strings.TrimSuffix("nothing: "+why, ": ") + "\n"
	}
	name := func(m *layout.Member) string { return fmt.Sprintf("%s%d", m.Name.Base, m.Incarnation[0]) }
	var members, slots []string
	for i := range l.Members {
		m := &l.Members[i]
		members = append(members, fmt.Sprintf("%s %s since %d", name(m), m.Phase, m.JoinEpoch))
	}
	for _, g := range l.Segments {
		text := fmt.Sprintf("%d:", g.Lo)
		for _, i := range g.Order {
			text += " " + name(&l.Members[i])
			if l.Members[i].Phase == layout.Attached {
				text += "+"
			}
		}
		if text += fmt.Sprintf(" view %d", g.View); g.Loss > 0 {
			text += fmt.Sprintf(" loss %d", g.Loss)
		}
		slots = append(slots, text)
	}
	text := fmt.Sprintf("epoch %d: %s\n  members %s\n  slots %s\n", l.Epoch, why, strings.Join(members, ", "), strings.Join(slots, ", "))
	if len(l.Dead) > 0 {
		text += "  dead"
		for _, id := range l.Dead {
			text += fmt.Sprintf(" %d", id[0])
		}
		text += "\n"
	}
	return text
}

package kubectl

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/eiri/seppen/api/client/kubectl/ring"
	"github.com/eiri/seppen/api/client/verbs"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/v1alpha1"
)

func statusCommand(p *plugin) *cobra.Command {
	var (
		watch, noColor bool
		format         string
	)
	c := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Draw a cluster's ring: who holds what, what moves, what may be deleted",
		Long: `Draw a cluster's ring of 256 slots, a bar for each node, with the conditions, how many
copies of each slot serve, what moves, and which pods may end at once.

Not on a terminal it is 80 columns wide (or COLUMNS), without colours. NO_COLOR, or a
locale that is not UTF-8, gives plain letters.

` + exitHelp,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: p.completeNames,
		RunE: func(c *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return verbs.Usage(fmt.Errorf("-o %s: must be text or json", format))
			}
			a, err := p.connect()
			if err != nil {
				return err
			}
			found, err := a.find(c.Context(), first(args))
			if err != nil {
				return err
			}
			s := screenOf(c.OutOrStdout(), os.Getenv)
			s.style.Color = s.style.Color && !noColor
			s.json = format == "json"
			if !watch {
				return a.show(c.Context(), s, found)
			}
			s.watches = true
			return p.follow(c.Context(), a, found, func(now *v1alpha1.SeppenCluster) (bool, error) {
				return false, a.show(c.Context(), s, now)
			})
		},
	}
	f := c.Flags()
	f.BoolVarP(&watch, "watch", "w", false, "go on: draw it anew at each change")
	f.StringVarP(&format, "output", "o", "text", "text or json")
	f.BoolVar(&noColor, "no-color", false, "without colours")
	must(c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// screen is where pictures are drawn.
type screen struct {
	out           io.Writer
	style         ring.Style
	terminal      bool
	json, watches bool
	last          string // what was drawn
}

// screenOf finds out what can be drawn on.
func screenOf(out io.Writer, env func(string) string) *screen {
	s := &screen{out: out, style: ring.Style{Width: 80, ASCII: !isUTF8(env) || env("NO_COLOR") != ""}}
	height := 0
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.terminal = true
		if width, lines, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			s.style.Width, height = width, lines
		}
	}
	if n, err := strconv.Atoi(env("COLUMNS")); err == nil && n > 0 {
		s.style.Width = n
	}
	s.style.Color = s.terminal && env("NO_COLOR") == "" && env("TERM") != "dumb"
	s.style.Height = max(height-1, 0)
	return s
}

func isUTF8(env func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := env(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}

// show draws a cluster as it is now.
func (a *access) show(ctx context.Context, s *screen, c *v1alpha1.SeppenCluster) error {
	l, err := a.layout(ctx, c)
	if err != nil {
		return err
	}
	if s.json {
		text, err := json.MarshalIndent(report(c, l), "", "  ")
		if err != nil {
			return err
		}
		return s.draw([]string{string(text)})
	}
	style := s.style
	if !s.watches {
		style.Height = 0 // all of it: it can be scrolled
	}
	return s.draw(ring.Draw(c, l, style))
}

// draw replaces what was drawn before on a terminal, else it goes below it.
func (s *screen) draw(lines []string) error {
	text := strings.Join(lines, "\n") + "\n"
	if text == s.last {
		return nil
	}
	again := s.last != ""
	s.last = text
	switch {
	case s.watches && s.terminal && !s.json:
		// Each line is cleared behind its end, and what was below: a screen that is cleared
		// as a whole flickers.
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	case again && !s.json:
		text = "\n" + text
	}
	_, err := io.WriteString(s.out, text)
	return err
}

// reportJSON is what -o json prints.
type reportJSON struct {
	Namespace  string                       `json:"namespace"`
	Name       string                       `json:"name"`
	Generation int64                        `json:"generation"`
	Status     v1alpha1.SeppenClusterStatus `json:"status"`
	Layout     *layoutJSON                  `json:"layout,omitempty"`
}

type layoutJSON struct {
	Epoch    uint64        `json:"epoch"`
	Members  []memberJSON  `json:"members"`
	Segments []segmentJSON `json:"segments"`
}

type memberJSON struct {
	Name        string    `json:"name"`
	Phase       string    `json:"phase"`
	Incarnation layout.ID `json:"incarnation"`
	Pod         string    `json:"pod"` // its UID
	JoinEpoch   uint64    `json:"joinEpoch"`
}

// segmentJSON is a run of slots with the same owners, by their nodes' names.
type segmentJSON struct {
	Lo            int      `json:"lo"`
	Hi            int      `json:"hi"`
	Primary       string   `json:"primary,omitempty"`
	Serving       []string `json:"serving"`
	Acknowledging []string `json:"acknowledging"`
}

func report(c *v1alpha1.SeppenCluster, l *layout.Layout) *reportJSON {
	r := &reportJSON{Namespace: c.Namespace, Name: c.Name, Generation: c.Generation, Status: c.Status}
	if l == nil {
		return r
	}
	r.Layout = &layoutJSON{Epoch: l.Epoch}
	for i := range l.Members {
		m := &l.Members[i]
		r.Layout.Members = append(r.Layout.Members, memberJSON{m.Name.String(), m.Phase.String(), m.Incarnation, m.Home, m.JoinEpoch})
	}
	table := layout.NewTable(l)
	for i := range l.Segments {
		lo, hi := int(l.Segments[i].Lo), layout.Slots-1
		if i+1 < len(l.Segments) {
			hi = int(l.Segments[i+1].Lo) - 1
		}
		o := table.Owners(uint8(lo))
		s := segmentJSON{Lo: lo, Hi: hi, Serving: spell(o.Serving), Acknowledging: spell(o.Ack)}
		if o.Primary != nil {
			s.Primary = o.Primary.Name.String()
		}
		r.Layout.Segments = append(r.Layout.Segments, s)
	}
	return r
}

func spell(members []*layout.Member) []string {
	out := make([]string, len(members))
	for i, m := range members {
		out[i] = m.Name.String()
	}
	return out
}

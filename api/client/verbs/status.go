package verbs

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
	"github.com/eiri/seppen/api/layout"
	"github.com/eiri/seppen/api/peer"
)

func statusCommand() *cobra.Command {
	var (
		at     server
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "status",
		Short: "Print what a node says of itself and its peers",
		Long: `Ask a node's admin port for its name, range, phase, how much it holds, and how it
sees the other nodes.

` + exitHelp,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			s, raw, err := cl.Status(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				_, err = c.OutOrStdout().Write(raw)
				return err
			}
			return printStatus(c.OutOrStdout(), s)
		},
	}
	f := c.Flags()
	f.StringVar(&at.url, "admin-url", fromEnv(envAdminURL, client.DefaultAdminURL), "where the node's admin port is (or "+envAdminURL+")")
	at.timeoutFlag(f)
	f.BoolVar(&asJSON, "json", false, "print the answer as it is")
	noFiles(c, "admin-url", "timeout")
	return c
}

func printStatus(out io.Writer, s *peer.Status) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	ready := "ready"
	if !s.Ready {
		ready = "not ready"
		if s.Reason != "" {
			ready += ": " + printable(s.Reason)
		}
	}
	limit := "no limit"
	if s.MemoryLimit > 0 {
		limit = bytesText(s.MemoryLimit)
	}
	rows := [][2]string{
		{"node", s.Name},
		{"range", s.Range},
		{"incarnation", s.Incarnation.String()},
		{"cluster", s.Cluster.String()},
		{"epoch", fmt.Sprint(s.Epoch)},
		{"phase", cmp.Or(s.Phase, "no member") + ", " + ready},
		{"slots", slotsText(s)},
		{"lease", leaseText(s)},
		{"keys", fmt.Sprintf("%d (%s)", s.Keys, bytesText(s.KeyBytes))},
		{"values", valuesText(s)},
		{"memory", bytesText(s.MemoryUsed) + " of " + limit},
	}
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\n", r[0], printable(r[1]))
	}
	if err := w.Flush(); err != nil || len(s.Members) == 0 {
		return err
	}
	fmt.Fprintf(w, "\nMEMBER\tRANGE\tPHASE\tADDRESS\tREACHABLE\n")
	for _, m := range s.Members {
		reachable := "not known"
		if m.Reachable != nil {
			reachable = map[bool]string{true: "yes", false: "no"}[*m.Reachable]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", printable(m.Name), printable(m.Range), printable(m.Phase), printable(m.Address), reachable)
	}
	return w.Flush()
}

// valuesText says how many values there are. How often keys share one can be told only by a
// node that holds everything: keys and their values are of different slots.
func valuesText(s *peer.Status) string {
	text := fmt.Sprintf("%d (%s)", s.Values, bytesText(s.ValueBytes))
	if s.SlotsComplete == layout.Slots {
		text += fmt.Sprintf(", deduplication %.2f", s.DedupRatio)
	}
	return text
}

// slotsText says what the node owns, and what is missing of it.
func slotsText(s *peer.Status) string {
	text := fmt.Sprintf("%d owned, %d complete, primary of %d", s.SlotsOwned, s.SlotsComplete, s.SlotsActive)
	if s.CopyBytesLeft > 0 {
		text += fmt.Sprintf("; about %s left to copy%s", bytesText(s.CopyBytesLeft), paceText(s))
	}
	if s.SlotsLost > 0 {
		text += fmt.Sprintf("; %d slots of the cluster were lost with all their copies", s.SlotsLost)
	}
	return text
}

// paceText says how fast what is left comes, and for how long yet.
func paceText(s *peer.Status) string {
	switch {
	case s.CopySecondsLeft > 0:
		left := time.Duration(s.CopySecondsLeft) * time.Second
		return fmt.Sprintf(", about %v at %s/s", left, bytesText(s.CopyBytesPerSecond))
	case s.CopySecondsLeft < 0:
		return ", nothing came of late"
	}
	return "" // a node of a version that does not tell
}

func leaseText(s *peer.Status) string {
	switch s.Lease {
	case "held":
		return "held: it answers for all slots that it is the primary of"
	case "lost":
		return "lost: it has not heard of all other owners for too long, so it answers 503 for some slots"
	}
	return "none needed: it is the primary of no slot"
}

// bytesText is a number of bytes with the largest unit that leaves at least one.
func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1024, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, next
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}

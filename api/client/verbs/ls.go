package verbs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
)

func lsCommand() *cobra.Command {
	var (
		at                 server
		o                  client.ListOptions
		long, asJSON, null bool
	)
	c := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List keys in the order of their bytes",
		Long: `List the keys that begin with PREFIX, or all, in the order of their bytes.

A key may hold any bytes. On a terminal, keys that would not print well are shown in
double quotes with escapes; otherwise they are written as they are, so use -0 or --json
where a key may hold a newline.

` + exitHelp,
		Example: `  seppen ls -l logs/2026-
  seppen ls -0 tmp/ | xargs -0 seppen rm
  seppen ls --limit 100 --after "$last"`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: at.completeFirstKey,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case o.Limit < 0:
				return Usage(fmt.Errorf("--limit %d is negative", o.Limit))
			case asJSON && (long || null):
				return Usage(errors.New("--json goes with neither --long nor --null"))
			}
			if len(args) > 0 {
				o.Prefix = args[0]
			}
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			out := bufio.NewWriter(c.OutOrStdout())
			if asJSON {
				err = listLines(c, cl, o, out)
			} else {
				err = list(c, cl, o, lineFormat(long, null, isTerminal(c.OutOrStdout())), out)
			}
			return errors.Join(err, out.Flush())
		},
	}
	at.flags(c.Flags())
	f := c.Flags()
	f.BoolVarP(&long, "long", "l", false, "size, time of the last change, ETag, content type and key")
	f.IntVar(&o.Limit, "limit", 0, "at most this many keys; 0: all")
	f.StringVar(&o.After, "after", "", "only keys after this one")
	f.BoolVar(&asJSON, "json", false, "one JSON object a line")
	f.BoolVarP(&null, "null", "0", false, "end keys with a NUL byte")
	noFiles(c, "limit", "after", "url", "timeout")
	return c
}

func listLines(c *cobra.Command, cl *client.Client, o client.ListOptions, out io.Writer) error {
	for line, err := range cl.ListLines(c.Context(), o) {
		if err != nil {
			return err
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return nil
}

func list(c *cobra.Command, cl *client.Client, o client.ListOptions, format func(*client.Info) string, out io.Writer) error {
	for info, err := range cl.List(c.Context(), o) {
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, format(&info)); err != nil {
			return err
		}
	}
	return nil
}

// lineFormat returns how one key is printed, its end included.
func lineFormat(long, null, terminal bool) func(*client.Info) string {
	return func(i *client.Info) string {
		key, end := i.Key, "\n"
		if null {
			end = "\x00"
		} else if terminal {
			key = printableKey(key)
		}
		if !long {
			return key + end
		}
		return fmt.Sprintf("%12d  %s  %s  %-24s  %s%s", i.Size, i.Modified.UTC().Format(time.RFC3339),
			strings.Trim(i.ETag, `"`), printable(i.Type), key, end)
	}
}

// printableKey is the key itself if it prints as it is, else quoted with escapes.
func printableKey(key string) string {
	if key != "" && key == printable(key) && !strings.ContainsAny(key, `"\`) && strings.TrimSpace(key) == key {
		return key
	}
	return strconv.Quote(key)
}

// printable replaces what could command a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !strconv.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

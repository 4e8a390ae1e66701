package verbs

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func getCommand() *cobra.Command {
	var (
		at  server
		out string
	)
	c := &cobra.Command{
		Use:   "get KEY",
		Short: "Write a key's value to standard output or a file",
		Long: `Write the value of a key to standard output, or to a file with -o. The file appears
whole or not at all; what was there before stays until then.

` + exitHelp,
		Example: `  seppen get greeting
  seppen get logo -o logo.png`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: at.completeFirstKey,
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			o, err := cl.Get(c.Context(), args[0])
			if err != nil {
				return err
			}
			defer o.Body.Close()
			write := func(w io.Writer) error {
				// A bar and a value must not meet on one terminal.
				from := io.Reader(o.Body)
				if !isTerminal(w) {
					from, _ = progress(c.ErrOrStderr(), "get "+printableKey(args[0]), o.Body, o.Size)
					defer endProgress(from)
				}
				_, err := io.Copy(w, from)
				return err
			}
			if out == "" || out == "-" {
				return write(c.OutOrStdout())
			}
			return replaceFile(out, write)
		},
	}
	at.flags(c.Flags())
	c.Flags().StringVarP(&out, "output", "o", "", "write to this file")
	noFiles(c, "url", "timeout")
	return c
}

// replaceFile writes a file beside path and gives it path's name when it is whole. What
// is no regular file, such as a pipe, is written to as it is.
func replaceFile(path string, write func(io.Writer) error) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a directory", path)
	}
	if err == nil && !info.Mode().IsRegular() {
		return writeInPlace(path, write)
	}
	mode := os.FileMode(0o666) // less the umask
	if err == nil {
		mode = info.Mode().Perm()
	}
	f, err := createBeside(path, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func writeInPlace(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// createBeside is os.CreateTemp with a mode.
func createBeside(path string, mode os.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for {
		name := fmt.Sprintf("%s.%.200s.%08x.part", dir, base, rand.Uint32())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if !errors.Is(err, os.ErrExist) {
			return f, err
		}
	}
}

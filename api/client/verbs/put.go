package verbs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/eiri/seppen/api/client"
)

func putCommand() *cobra.Command {
	var (
		at          server
		o           client.PutOptions
		ifNoneMatch bool
	)
	c := &cobra.Command{
		Use:   "put KEY [FILE|-]",
		Short: "Store a value and print its ETag",
		Long: `Store the value of a file, or of standard input, under a key, and print its ETag.

` + exitHelp,
		Example: `  echo -n hello | seppen put greeting
  seppen put logo logo.png --type image/png
  seppen put counter --if-match "$(seppen head counter --etag)" <new`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: at.completeFirstKey,
		RunE: func(c *cobra.Command, args []string) error {
			if ifNoneMatch {
				o.IfNoneMatch = "*"
			}
			cl, err := at.client()
			if err != nil {
				return err
			}
			defer cl.Close()
			value, size, err := openValue(c, args[1:])
			if err != nil {
				return err
			}
			if f, ok := value.(io.Closer); ok {
				defer f.Close()
			}
			o.Size = size
			return put(c, cl, args[0], value, o)
		},
	}
	at.flags(c.Flags())
	c.Flags().StringVar(&o.Type, "type", "", "the content type (default application/octet-stream)")
	c.Flags().StringVar(&o.IfMatch, "if-match", "", "store only if the key's value has this ETag; *: any value")
	c.Flags().BoolVar(&ifNoneMatch, "if-none-match", false, "store only if the key has no value")
	noFiles(c, "type", "if-match", "url", "timeout")
	return c
}

// put stores a value with a progress bar where that helps and prints the ETag.
func put(c *cobra.Command, cl *client.Client, key string, value io.Reader, o client.PutOptions) error {
	value, o.Size = progress(c.ErrOrStderr(), "put "+printableKey(key), value, o.Size)
	etag, _, err := cl.Put(c.Context(), key, value, o)
	endProgress(value)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), etag)
	return err
}

// openValue opens what is to be stored. Its size is -1 if it is not known.
func openValue(c *cobra.Command, args []string) (io.Reader, int64, error) {
	if len(args) == 0 || args[0] == "-" {
		return readAhead(c.Context(), c.InOrStdin())
	}
	f, err := os.Open(args[0])
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a directory", args[0])
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	return f, -1, nil
}

// aheadSize is how much of a stream is read before it is sent: a value that ends
// before that has a length and can be sent twice.
const aheadSize = 256 << 10

// readAhead returns the stream and its size, -1 if that is not known yet. It returns
// when ctx ends even if the stream still says nothing.
func readAhead(ctx context.Context, r io.Reader) (io.Reader, int64, error) {
	type ahead struct {
		data []byte
		err  error
	}
	done := make(chan ahead, 1)
	go func() {
		data, err := io.ReadAll(io.LimitReader(r, aheadSize))
		done <- ahead{data, err}
	}()
	select {
	case <-ctx.Done():
		return r, -1, fmt.Errorf("reading the value: %w", ctx.Err())
	case a := <-done:
		switch {
		case a.err != nil:
			return r, -1, fmt.Errorf("reading the value: %w", a.err)
		case len(a.data) < aheadSize:
			return bytes.NewReader(a.data), int64(len(a.data)), nil
		}
		return io.MultiReader(bytes.NewReader(a.data), r), -1, nil
	}
}

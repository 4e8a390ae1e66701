// Command image writes a container image without a Docker engine: one layer that
// holds one static binary, a config, and nothing else. It is the same content as the
// Dockerfile's. The tarball is an OCI image layout that also has Docker's
// manifest.json, so `docker load`, `podman load`, `ctr images import` and `kind load
// image-archive` all take it.
//
//	image -name seppen:dev -o dist/seppen.tar linux/amd64=bin/seppen [linux/arm64=...]
//
// The same binaries and the same -created give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	out := flags.String("o", "", "the tarball to write")
	ref := flags.String("name", "seppen:dev", "the image's name and tag")
	created := flags.Int64("created", 0, "time of every date in the image, Unix seconds")
	version := flags.String("version", "", "the version written into the image's labels")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || flags.NArg() == 0 {
		return errors.New("usage: image -o FILE [-name NAME:TAG] [-created SECONDS] [-version V] OS/ARCH=BINARY (one or more)")
	}
	archive, err := newArchive(*ref, time.Unix(*created, 0).UTC())
	if err != nil {
		return err
	}
	for _, arg := range flags.Args() {
		platform, file, ok := strings.Cut(arg, "=")
		if !ok {
			return fmt.Errorf("%q is not OS/ARCH=BINARY", arg)
		}
		binary, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := archive.add(platform, *version, binary); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
	}
	return writeFile(*out, archive)
}

// writeFile replaces the file only when the whole archive has been written.
func writeFile(path string, a *archive) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	if err := a.write(f); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// build runs the command on one small file for each platform.
func build(t *testing.T, ref string, platforms ...string) string {
	t.Helper()
	dir := t.TempDir()
	out := filepath.Join(dir, "dist", "seppen.tar")
	args := []string{"-o", out, "-name", ref, "-created", "1700000000", "-version", "v1.2.3"}
	for i, p := range platforms {
		file := filepath.Join(dir, string(rune('a'+i)))
		if err := os.WriteFile(file, []byte("binary of "+p), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, p+"="+file)
	}
	if err := run(args); err != nil {
		t.Fatal(err)
	}
	return out
}

// unpack returns the directory of an OCI layout that came as a tarball.
func unpack(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func checkImage(t *testing.T, img v1.Image, arch, content string) {
	t.Helper()
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.OS != "linux" || cfg.Architecture != arch {
		t.Errorf("platform %s/%s, want linux/%s", cfg.OS, cfg.Architecture, arch)
	}
	if cfg.Config.User != "65532:65532" || !slices.Equal(cfg.Config.Entrypoint, []string{"/seppen"}) {
		t.Errorf("user %q, entrypoint %q", cfg.Config.User, cfg.Config.Entrypoint)
	}
	if cfg.Created.Unix() != 1700000000 || cfg.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" {
		t.Errorf("created %v, labels %v", cfg.Created, cfg.Config.Labels)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := tar.NewReader(r)
	h, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(files)
	if err != nil || h.Name != "seppen" || h.Mode != 0o755 || h.ModTime.Unix() != 1700000000 || string(data) != content {
		t.Errorf("file %+v holds %q, %v", h, data, err)
	}
	if h, err := files.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a second file %+v, %v", h, err)
	}
}

func TestOnePlatformIsReadBackAsDockerAndAsOCI(t *testing.T) {
	file := build(t, "seppen:dev", "linux/arm64")
	tag := name.MustParseReference("seppen:dev").(name.Tag)
	img, err := tarball.ImageFromPath(file, &tag)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, img, "arm64", "binary of linux/arm64")

	index, err := layout.ImageIndexFromPath(unpack(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	m, err := index.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if got := m.Manifests[0].Annotations["io.containerd.image.name"]; got != "docker.io/library/seppen:dev" {
		t.Errorf("named %q", got)
	}
	img, err = index.Image(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	checkImage(t, img, "arm64", "binary of linux/arm64")
}

func TestSeveralPlatformsAreOneIndex(t *testing.T) {
	dir := unpack(t, build(t, "example.com/team/seppen:v1", "linux/amd64", "linux/arm64"))
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	if got := m.Manifests[0].Annotations["io.containerd.image.name"]; got != "example.com/team/seppen:v1" {
		t.Errorf("named %q", got)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = index.IndexManifest(); err != nil || len(m.Manifests) != 2 {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, d := range m.Manifests {
		img, err := index.Image(d.Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, img, d.Platform.Architecture, "binary of "+d.Platform.String())
	}
}

func TestSameInputSameBytes(t *testing.T) {
	a, errA := os.ReadFile(build(t, "seppen:dev", "linux/amd64"))
	b, errB := os.ReadFile(build(t, "seppen:dev", "linux/amd64"))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("two builds differ: %d and %d bytes, %v, %v", len(a), len(b), errA, errB)
	}
}

func TestRefusals(t *testing.T) {
	out := filepath.Join(t.TempDir(), "x.tar")
	for _, args := range [][]string{
		{},
		{"-o", out},
		{"-o", out, "linux/amd64"},
		{"-o", out, "linux/amd64=/does/not/exist"},
		{"-o", out, "linux=main.go"},
		{"-o", out, "-name", "UPPER:dev", "linux/amd64=main.go"},
	} {
		if err := run(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a refused call left a file: %v", err)
	}
}

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is "nonroot" of the distroless images. A number, since there is no passwd.
const user = "65532:65532"

// archive gathers the images of one name, one for each platform.
type archive struct {
	tag     name.Tag
	created time.Time
	images  []v1.Image
	plats   []*v1.Platform
}

func newArchive(ref string, created time.Time) (*archive, error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return nil, err
	}
	return &archive{tag: tag, created: created}, nil
}

// add makes the image of one binary.
func (a *archive) add(platform, version string, binary []byte) error {
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return err
	}
	if p.OS == "" || p.Architecture == "" {
		return fmt.Errorf("%q is not OS/ARCH", platform)
	}
	layer, err := layerOf(binary, a.created)
	if err != nil {
		return err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: a.created}, CreatedBy: "COPY /seppen /seppen",
	}})
	if err != nil {
		return err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture, cfg.Variant = p.OS, p.Architecture, p.Variant
	cfg.Created = v1.Time{Time: a.created}
	cfg.Config.User = user
	cfg.Config.Entrypoint = []string{"/seppen"}
	cfg.Config.WorkingDir = "/"
	cfg.Config.Labels = map[string]string{
		"org.opencontainers.image.title":    "seppen",
		"org.opencontainers.image.licenses": "MIT",
	}
	if version != "" {
		cfg.Config.Labels["org.opencontainers.image.version"] = version
	}
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		return err
	}
	a.images, a.plats = append(a.images, img), append(a.plats, p)
	return nil
}

// layerOf is a layer with the one file /seppen.
func layerOf(binary []byte, created time.Time) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: "seppen", Mode: 0o755, Size: int64(len(binary)), ModTime: created,
	})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// write writes the OCI layout and, for one platform, Docker's manifest beside it.
func (a *archive) write(out io.Writer) error {
	w := &blobWriter{tar: tar.NewWriter(out), created: a.created, have: map[string]bool{}}
	w.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	var manifests []v1.Descriptor
	for i, img := range a.images {
		manifests = append(manifests, w.image(img, a.plats[i]))
	}
	top := manifests
	if len(manifests) > 1 {
		// A name stands for one thing: an index of the platforms' images.
		top = []v1.Descriptor{w.json(types.OCIImageIndex, indexOf(manifests))}
	}
	top[0].Annotations = map[string]string{
		"io.containerd.image.name":          strings.Replace(a.tag.Name(), name.DefaultRegistry, "docker.io", 1),
		"org.opencontainers.image.ref.name": a.tag.TagStr(),
	}
	w.marshal("index.json", indexOf(top))
	if len(a.images) == 1 {
		w.docker(a.images[0], a.tag)
	}
	if w.err != nil {
		return w.err
	}
	return w.tar.Close()
}

func indexOf(manifests []v1.Descriptor) *v1.IndexManifest {
	return &v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: manifests}
}

// blobWriter writes files and blobs into a tarball. The first error stays.
type blobWriter struct {
	tar     *tar.Writer
	created time.Time
	have    map[string]bool
	err     error
}

func (w *blobWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *blobWriter) file(path string, data []byte) {
	if w.err != nil || w.have[path] {
		return
	}
	w.have[path] = true
	w.fail(w.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: path, Mode: 0o644, Size: int64(len(data)), ModTime: w.created,
	}))
	_, err := w.tar.Write(data)
	w.fail(err)
}

func (w *blobWriter) marshal(path string, v any) {
	data, err := json.Marshal(v)
	w.fail(err)
	w.file(path, data)
}

func (w *blobWriter) blob(data []byte) v1.Hash {
	h, _, err := v1.SHA256(bytes.NewReader(data))
	w.fail(err)
	w.file(blobPath(h), data)
	return h
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// json writes a document as a blob and says how to refer to it.
func (w *blobWriter) json(media types.MediaType, v any) v1.Descriptor {
	data, err := json.Marshal(v)
	w.fail(err)
	return v1.Descriptor{MediaType: media, Size: int64(len(data)), Digest: w.blob(data)}
}

// image writes an image's blobs: layers, config, manifest.
func (w *blobWriter) image(img v1.Image, p *v1.Platform) v1.Descriptor {
	layers, err := img.Layers()
	w.fail(err)
	for _, layer := range layers {
		w.layer(layer)
	}
	config, err := img.RawConfigFile()
	w.fail(err)
	w.blob(config)
	manifest, err := img.RawManifest()
	w.fail(err)
	return v1.Descriptor{
		MediaType: types.OCIManifestSchema1, Size: int64(len(manifest)), Digest: w.blob(manifest), Platform: p,
	}
}

func (w *blobWriter) layer(layer v1.Layer) {
	r, err := layer.Compressed()
	if err != nil {
		w.fail(err)
		return
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	w.fail(err)
	w.blob(data)
}

// docker writes the manifest.json of `docker save`, which names the same blobs.
func (w *blobWriter) docker(img v1.Image, tag name.Tag) {
	m, err := img.Manifest()
	if err != nil {
		w.fail(err)
		return
	}
	entry := tarball.Descriptor{Config: blobPath(m.Config.Digest), RepoTags: []string{tag.String()}}
	for _, l := range m.Layers {
		entry.Layers = append(entry.Layers, blobPath(l.Digest))
	}
	w.marshal("manifest.json", tarball.Manifest{entry})
}

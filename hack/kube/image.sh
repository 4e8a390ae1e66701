#!/bin/bash
# image.sh NAME:TAG OUT.tar DIR ENTRYPOINT...
# Makes a one-layer image in the form of `docker save` out of a directory: no base image,
# no registry, no daemon. Seppen's own image is made by `make image`.
set -euo pipefail
name=$1 out=$2 dir=$3
shift 3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/root" "$tmp/image"
cp -a "$dir/." "$tmp/root"
mkdir -p "$tmp/root/tmp" "$tmp/root/etc"
cat >"$tmp/root/etc/passwd" <<P
root:x:0:0:root:/:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
P
chmod -R u=rwX,go=rX "$tmp/root"
chmod 1777 "$tmp/root/tmp"
reproducible=(--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner)
tar -C "$tmp/root" "${reproducible[@]}" -cf "$tmp/image/layer.tar" .
sum=$(sha256sum "$tmp/image/layer.tar" | cut -d' ' -f1)
# containerd passes over an image without an architecture and a system.
jq -n --arg arch "$(dpkg --print-architecture)" --arg sum "sha256:$sum" \
  '{architecture: $arch, os: "linux",
    config: {Entrypoint: $ARGS.positional, Env: ["PATH=/bin"]},
    rootfs: {type: "layers", diff_ids: [$sum]},
    history: [{created_by: "image.sh"}]}' --args -- "$@" >"$tmp/image/config.json"
jq -n --arg name "$name" \
  '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' >"$tmp/image/manifest.json"
tar -C "$tmp/image" "${reproducible[@]}" -cf "$out.new" manifest.json config.json layer.tar
mv "$out.new" "$out"

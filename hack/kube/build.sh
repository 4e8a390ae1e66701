#!/bin/bash
# build.sh [api] [tools] [images]: makes the programs and images in $KUBE_HOME out of Go
# modules; without arguments all. What is up to date is left alone.
#   api     kube, and its links etcd, kubectl, kube-apiserver, ...: enough for API tests,
#           with KUBEBUILDER_ASSETS=$KUBE_HOME/bin
#   tools   helm, kubeconform, kube-schemas
#   images  what runs in a node from its start: coredns, pause, and busybox for tests
# Only images needs the packages of install.sh; nothing here needs root.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
export GOFLAGS="-buildvcs=false -mod=readonly" CGO_ENABLED=0 GOWORK=off
# The machine's own, whatever the caller builds for.
unset GOOS GOARCH
ROOTS=$KUBE_HOME/roots # the content of each image
MADE=$KUBE_HOME/made   # for each thing the checksum of what it was made from
mkdir -p "$BIN" "$IMAGES" "$ROOTS" "$MADE"
exec 9>"$KUBE_HOME/build.lock"
flock -n 9 || { echo "waiting for another build"; flock 9; }

# step OUTPUT SOURCE... -- COMMAND...: runs COMMAND unless OUTPUT is there and was made
# by the same command from the same sources.
step() {
  local out=$1 name=${1##*/} sources=() sum began
  shift
  while [ "$1" != -- ]; do
    sources+=("$1")
    shift
  done
  shift
  sum=$({
    go env GOVERSION GOARCH
    find "${sources[@]}" -type f -print0 | sort -z | xargs -0 sha256sum
    declare -f "$1" || cat "$1" # the command itself
    declare -f go_build
    echo "$*"
  } | sed "s|$SRC/||g; s|$KUBE_HOME/||g" | sha256sum | cut -d' ' -f1)
  if [ -e "$out" ] && [ "$(cat "$MADE/$name" 2>/dev/null)" = "$sum" ]; then
    echo "$name: up to date"
    return
  fi
  rm -f "$MADE/$name"
  began=$(now_ms)
  "$@"
  echo "$sum" >"$MADE/$name"
  echo "$name: built in $((($(now_ms) - began) / 1000)) s, $(($(stat -c %s "$out") / 1000000)) MB"
}

# go_build MODULE PACKAGE OUT [LDFLAGS]. Go writes OUT anew, so that a cluster that runs
# from the old file is not disturbed.
go_build() {
  rm -f "$3.new"
  go -C "$SRC/$1" build -trimpath -ldflags "-s -w ${4:-}" -o "$3.new" "$2"
  mkdir -p "${3%/*}"
  mv "$3.new" "$3"
}
module_version() { go -C "$SRC/$1" list -m -f '{{.Version}}' "$2"; }

# The programs tell their version to each other and refuse too large a difference, but
# know it by linker flags only.
build_kube() {
  local version flags='' package
  version=$(module_version kube k8s.io/kubernetes)
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitTreeState=archive"
    flags+=" -X $package.gitMajor=1 -X $package.gitMinor=$(echo "$version" | cut -d. -f2)"
  done
  go_build kube . "$BIN/kube" "$flags"
}
build_helm() {
  go_build tools helm.sh/helm/v4/cmd/helm "$BIN/helm" \
    "-X helm.sh/helm/v4/internal/version.version=$(module_version tools helm.sh/helm/v4)"
}
build_kubeconform() {
  go_build tools github.com/yannh/kubeconform/cmd/kubeconform "$BIN/kubeconform" \
    "-X main.version=$(module_version tools github.com/yannh/kubeconform)"
}
build_busybox() {
  local applet
  mkdir -p "$ROOTS/busybox/bin"
  cp "$(command -v busybox)" "$ROOTS/busybox/bin/busybox"
  for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$ROOTS/busybox/bin/$applet"
  done
}

api() {
  local name
  step "$BIN/kube" "$SRC/kube" -- build_kube
  for name in etcd kubectl kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
    ln -sfn kube "$BIN/$name"
  done
}
tools() {
  local mod=("$SRC/tools/go.mod" "$SRC/tools/go.sum")
  step "$BIN/helm" "${mod[@]}" -- build_helm
  step "$BIN/kubeconform" "${mod[@]}" -- build_kubeconform
  step "$BIN/kube-schemas" "${mod[@]}" "$SRC/tools/schemas" -- go_build tools ./schemas "$BIN/kube-schemas"
}
# image NAME ENTRYPOINT...
image() {
  step "$IMAGES/$1.tar" "$ROOTS/$1" -- \
    "$SRC/image.sh" "localhost/$1:dev" "$IMAGES/$1.tar" "$ROOTS/$1" "${@:2}"
}
images() {
  local name
  for name in jq busybox dpkg; do
    command -v "$name" >/dev/null || die "$name is missing: run install.sh first"
  done
  for name in coredns pause; do
    step "$ROOTS/$name/$name" "$SRC"/images/{go.mod,go.sum,"$name"} -- \
      go_build images "./$name" "$ROOTS/$name/$name"
    image "$name" "/$name"
  done
  step "$ROOTS/busybox/bin/busybox" "$(command -v busybox)" -- build_busybox
  image busybox /bin/sh
}

command -v go >/dev/null || die "Go is missing: https://go.dev/dl"
[ $# -gt 0 ] || set -- api images tools
for part; do
  case $part in
  api | tools | images) "$part" ;;
  *)
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
  esac
done
echo "all in $KUBE_HOME ($SECONDS s)"

#!/bin/bash
# generate.sh DIR: writes what is made from api/v1alpha1 into DIR, which is laid out
# like the repository. With "." it writes into the repository itself.
set -euo pipefail
out=$(mkdir -p "$1" && realpath "$1")
cd "$(dirname "$0")/.."
mkdir -p "$out/api/v1alpha1" "$out/config/crd/bases"
go tool -modfile=hack/tools/go.mod controller-gen \
  object paths=./api/v1alpha1 output:object:dir="$out/api/v1alpha1"
go tool -modfile=hack/tools/go.mod controller-gen \
  crd paths=./api/v1alpha1 output:crd:dir="$out/config/crd/bases"

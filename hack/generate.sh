#!/bin/bash
# generate.sh DIR: writes what is made from other files into DIR, which is laid out like
# the repository. With "." it writes into the repository itself.
#
#   api/v1alpha1          deep copies
#   config/crd            the definition, from api/v1alpha1
#   config/rbac           what the operator may do, from controllers/rbac.go
#   charts/seppen         copies of both, and what the comments of its values say
#   docs/reference        the page about the resource
set -euo pipefail
out=$(mkdir -p "$1" && realpath "$1")
cd "$(dirname "$0")/.."
root=$PWD
mkdir -p "$out"/{api/v1alpha1,config/crd/bases,config/rbac,charts/seppen/files,docs/reference}
generate() { go tool -modfile=hack/tools/go.mod controller-gen "$@"; }
generate object paths=./api/v1alpha1 output:object:dir="$out/api/v1alpha1"
generate crd paths=./api/v1alpha1 output:crd:dir="$out/config/crd/bases"
# The file and not its package, which may well be in the middle of a change.
generate rbac:roleName=operator-role paths=controllers/rbac.go output:rbac:dir="$out/config/rbac"

crd=$out/config/crd/bases/seppen.io_seppenclusters.yaml
# A chart cannot read what lies outside of it.
cp "$crd" "$out/charts/seppen/files/crd.yaml"
cp "$out/config/rbac/role.yaml" config/rbac/{leader_election,seppencluster_*}_role.yaml "$out/charts/seppen/files/"
go -C hack/tools run ./chartdoc "$root/charts/seppen" "$out/charts/seppen"

kubernetes=$(go list -m -f '{{.Version}}' k8s.io/api) # v0.37.2 is of Kubernetes v1.37
kubernetes=${kubernetes/v0./v1.}
go -C hack/tools run ./crdref -types "$root/api/v1alpha1" -crd "$crd" -kubernetes "${kubernetes%.*}" \
  >"$out/docs/reference/seppencluster.md"

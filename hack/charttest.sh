#!/bin/bash
# Tries the Helm chart and the kustomizations, rendered and against a real API server. It
# needs Linux and Go, no root, no Docker, no Kubernetes.
set -euo pipefail
cd "$(dirname "$0")/.."
hack/kube/build.sh api tools
. hack/kube/env.sh
CHARTTEST_PROGRAMS=$BIN go test -count=1 ./hack/charttest "$@"

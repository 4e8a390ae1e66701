#!/bin/bash
# e2e.sh [ARGUMENTS OF GO TEST]: the tests of hack/e2e, on a Kubernetes that it starts for
# them and ends. With E2E_KEEP=1 it uses the one that is up, if there is one, and leaves it
# up: hack/e2e.sh -run TestClusters/sample. Exit code 77: it cannot run here, and the last
# line says why.
set -euo pipefail
cd "$(dirname "$0")/.."
export E2E_IMAGE=seppen:e2e

leave_out() {
  echo "left out: the tests on Kubernetes ($1)"
  exit 77
}

# What must be so is asked before the long build.
why=$(. hack/kube/env.sh && need_machine 3 2>&1) || leave_out "${why#*: }"
. hack/kube/env.sh
if [ -e "$RUN" ] && [ -z "${E2E_KEEP:-}" ]; then
  die "a Kubernetes cluster is up: make cluster-down ends it, E2E_KEEP=1 tests in it"
fi
hack/kube/install.sh || leave_out "nodes need packages that are not there"

# report FILE: all that may tell why a test failed.
report() {
  local namespace
  {
    echo "=== kubectl get all,sc -A -o wide"
    kubectl get all,seppenclusters -A -o wide
    echo "=== status of all clusters"
    kubectl get seppenclusters -A -o yaml
    echo "=== events"
    kubectl get events -A --sort-by=.lastTimestamp
    echo "=== log of the operator, and of the one before"
    kubectl logs -n seppen-system -l app.kubernetes.io/component=operator --tail=2000 --prefix
    kubectl logs -n seppen-system -l app.kubernetes.io/component=operator --tail=500 --prefix --previous
    for namespace in $(kubectl get namespaces -l e2e.seppen.io/test -o name) namespace/seppen-system; do
      namespace=${namespace#*/}
      echo "=== pods of $namespace"
      kubectl describe pods -n "$namespace"
      kubectl logs -n "$namespace" -l app.kubernetes.io/component=node --tail=30 --prefix
    done
    echo "=== logs of Kubernetes"
    tail -n 40 "$LOGS"/*.log
  } >"$1" 2>&1 || true
}

# digest: some sixty lines of what the report has.
digest() {
  kubectl get seppenclusters -A -o wide | cut -c1-300 | head -n 20
  kubectl get pods -A --no-headers | awk '{split($3, n, "/")} n[1] != n[2] && $4 != "Completed"' | head -n 10
  kubectl get events -A --field-selector type=Warning,reason!=Unhealthy --sort-by=.lastTimestamp | cut -c1-200 | tail -n 15
  kubectl logs -n seppen-system -l app.kubernetes.io/component=operator --tail=500 |
    grep -E '"level":"(WARN|ERROR)"' | cut -c1-300 | tail -n 15
}

finish() {
  local rc=$? file
  trap - EXIT
  if [ "$rc" != 0 ] && [ -e "$RUN/up" ]; then
    file=$(mktemp "${TMPDIR:-/tmp}/seppen-e2e-XXXXXX.txt")
    report "$file"
    digest || true
    echo "everything else is in $file"
  fi
  if [ -n "${E2E_KEEP:-}" ]; then
    echo "the cluster stays up: $(export_line)"
  else
    hack/kube/down.sh || rc=1
  fi
  said "end to end"
  exit "$rc"
}
trap finish EXIT

hack/kube/build.sh
make --no-print-directory image IMAGE=$E2E_IMAGE
said "programs and images are built"
[ -e "$RUN/up" ] || NODES=3 hack/kube/up.sh | grep -v '^export '
hack/kube/load.sh dist/seppen.tar
E2E_BINARY=$PWD/dist/linux/$(go env GOARCH)/seppen
export E2E_BINARY
said "the cluster is up, with the image"

go -C hack/e2e test -count=1 -timeout=20m -parallel=6 "$@"
said "tests"

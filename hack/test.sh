#!/bin/bash
# Everything CI runs, cheapest first; stops at the first failure. FUZZTIME=0 leaves
# the fuzzing out. What this machine cannot do is said at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-3s}
left_out=()
started=$SECONDS
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

step() { printf '\n=== %s (at %d s)\n' "$1" $((SECONDS - started)); }

leave_out() {
  left_out+=("$1")
  echo "left out: $1"
}

check_generated() {
  hack/generate.sh "$tmp/generated"
  local file failed=
  while IFS= read -r file; do
    diff -u "$file" "$tmp/generated/$file" || failed=1
  done < <(cd "$tmp/generated" && find . -type f | sort)
  for file in config/crd/bases/* charts/seppen/files/* docs/reference/*; do
    [ -e "$tmp/generated/$file" ] || { echo "$file is generated from nothing"; failed=1; }
  done
  [ -z "$failed" ] || { echo "generated files are not up to date: run 'make generate'" >&2; return 1; }
}

check_vulnerabilities() {
  local log=$tmp/govulncheck rc=0
  go tool -modfile=hack/tools/go.mod govulncheck ./... >"$log" 2>&1 || rc=$?
  # Its database is on the network. Only the failure to fetch it is let pass: what it
  # finds (3) and every other error count.
  if [ "$rc" -ne 0 ] && [ "$rc" -ne 3 ] && grep -q 'fetching vulnerabilities' "$log"; then
    leave_out "govulncheck: its database cannot be reached ($(tail -n 1 "$log"))"
    return 0
  fi
  cat "$log"
  return "$rc"
}

# One fuzz target. The fuzzer of the standard library sometimes reports the end of its
# time as a failure ("context deadline exceeded") without an input that fails: that
# alone is tried once more.
fuzz() {
  local dir=$1 name=$2 log=$tmp/fuzz
  for _ in 1 2; do
    if go test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" "$dir" >"$log" 2>&1; then
      tail -n 1 "$log"
      return 0
    fi
    if grep -q 'Failing input' "$log" || ! grep -q 'context deadline exceeded' "$log"; then break; fi
  done
  cat "$log"
  return 1
}

fuzz_all() {
  local file name
  while IFS=: read -r file name; do
    echo "$name in $(dirname "$file")"
    fuzz "./$(dirname "$file")" "$name"
  done < <(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' --exclude-dir=hack . |
    sed 's|^\./||; s/:func /:/' | sort)
}

step "build"
make --no-print-directory build
go -C hack/tools build -o /dev/null ./image

step "generated files"
check_generated

step "lint"
hack/lint.sh

step "vulnerabilities"
check_vulnerabilities

step "fuzzing, $fuzztime each"
if [ "$fuzztime" = 0 ]; then leave_out "fuzzing (FUZZTIME=0)"; else fuzz_all; fi

step "tests of the tools"
go -C hack/tools test ./...
go -C hack/kube/tools test ./...

# The programs of Kubernetes that tests start: built from source once, which takes some
# ten minutes on two cores, and kept outside the tree.
step "Kubernetes for tests"
if [ "$(uname -s)" = Linux ]; then
  hack/kube/build.sh api tools
  export KUBEBUILDER_ASSETS
  KUBEBUILDER_ASSETS=$(. hack/kube/env.sh && echo "$BIN")
else
  unset KUBEBUILDER_ASSETS
  leave_out "tests against a real Kubernetes API (they need Linux)"
fi

step "chart and kustomizations"
if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then hack/charttest.sh; else leave_out "the chart's tests (they need Linux)"; fi

# Without -race too: the race detector watches the store's memory only where it comes
# from Go's heap, so the pages that nodes really use are tested here.
step "tests"
alone='/(controllers/local/chaos|node/replica/simulation)$'
go list ./... | grep -vE "$alone" | xargs go test -timeout 40m

# These two want the machine for themselves: one measures, the other breaks the code in some
# fifty ways and has each found.
step "faults of real processes under load"
go test -timeout 20m ./controllers/local/chaos

step "simulation of replication, and its mutants"
go test -timeout 30m ./node/replica/simulation

# -short leaves out here what takes minutes and ran above already.
step "tests with the race detector"
if hack/need.sh gcc gcc libc6-dev; then
  go test -race -short ./...
else
  leave_out "the race detector (it needs a C compiler)"
fi

step "end to end on Kubernetes"
rc=0
hack/e2e.sh 2>&1 | tee "$tmp/e2e" || rc=$?
case $rc in
0) ;;
77) leave_out "$(sed -n 's/^left out: //p' "$tmp/e2e" | tail -n 1)" ;;
*) exit "$rc" ;;
esac

printf '\nmake test: all passed in %d s\n' $((SECONDS - started))
for what in "${left_out[@]}"; do echo "left out: $what"; done

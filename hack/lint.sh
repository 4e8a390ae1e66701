#!/bin/bash
# Formatting and faults, in the product and in the tools of hack/tools.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "gofmt"
unformatted=$(find . -name '*.go' -not -path './.git/*' -exec gofmt -l {} +)
if [ -n "$unformatted" ]; then
  printf 'not formatted (gofmt -w them):\n%s\n' "$unformatted" >&2
  exit 1
fi

# Modules of their own keep what only tests and tools need out of the product's graph.
modules=(hack/tools hack/kube/tools hack/e2e)

echo "go vet"
go vet ./...
for module in "${modules[@]}"; do
  go -C "$module" vet ./...
done

echo "golangci-lint"
go tool -modfile=hack/tools/go.mod golangci-lint run ./...
config=$PWD/.golangci.yml
linter=$(go tool -modfile=hack/tools/go.mod -n golangci-lint)
for module in "${modules[@]}"; do
  (cd "$module" && "$linter" run --config "$config" ./...)
done

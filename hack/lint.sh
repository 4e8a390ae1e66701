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

echo "go vet"
go vet ./...
go -C hack/tools vet ./...

echo "golangci-lint"
go tool -modfile=hack/tools/go.mod golangci-lint run ./...
cd hack/tools
go tool golangci-lint run --config ../../.golangci.yml ./...

#!/bin/bash
# Measures Seppen against a bare server on this machine; see docs/performance.md.
#   hack/bench/run.sh [--quick] [--only REGEX] [--rounds N] [--seconds N]
# Prints Markdown. Ends with an error if a row failed or missed its goal.
set -euo pipefail
cd "$(dirname "$0")/../.."
hack/need.sh wrk wrk
make --no-print-directory build >&2
mkdir -p bin/bench
go build -trimpath -o bin/bench/ ./hack/bench ./hack/bench/bare
exec bin/bench/bench --bin bin/bench --seppen "${SEPPEN:-bin/seppen}" "$@"

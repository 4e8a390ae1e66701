#!/bin/bash
# load.sh IMAGE.tar...: loads images ("docker save" or OCI archives) into every node that
# runs. They outlive a crash of the node but not down.sh.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
[ $# -gt 0 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
[ -e "$RUN/up" ] || die "no cluster is up"
[ "$NODES" != 0 ] || { echo "the cluster has no nodes to load anything into"; exit; }
loaded=
for ((i = 1; i <= NODES; i++)); do
  pid_of "n$i" >/dev/null || { echo "n$i: not running, left out"; continue; }
  for tar; do
    T0=$(now_ms)
    # --all-platforms: without it an image that tells no architecture is passed over.
    node_ctr "$i" images import --all-platforms - <"$tar" | sed "s/^/n$i: /"
    said "n$i: has $(basename "$tar")"
  done
  loaded=1
done
[ -n "$loaded" ] || die "no node is running"

#!/bin/bash
# Measures how a node copies what another one has, over loopback and over a link of 1 Gbit/s,
# and what clients notice; see docs/performance.md.
#   hack/bench/copy.sh [--links "loopback 1gbit"] [--rounds N] [--mib N] [--text] ...
# What follows --links goes to `bench copy`. The link is made of network namespaces, which end
# with the script; it needs root, ip and tc. Prints Markdown.
set -euo pipefail
cd "$(dirname "$0")/../.."
links="loopback 1gbit"
if [ "${1:-}" = --links ]; then links=$2; shift 2; fi
[ -n "${SEPPEN:-}" ] || make --no-print-directory build >&2
mkdir -p bin/bench
go build -trimpath -o bin/bench/ ./hack/bench
copy=(bin/bench/bench copy --seppen "${SEPPEN:-bin/seppen}" "$@")

# Three machines on a switch. What each sends is shaped to the rate, behind the queue that Linux
# has by default where nothing else is set up.
space=seppen-copy-$$
made=()
finish() {
  for n in "${made[@]}"; do ip netns del "$n" 2>/dev/null || true; done
}
trap finish EXIT

machine() { # name, number, rate
  ip netns add "$space-$1"
  made+=("$space-$1")
  ip -n "$space-switch" link add "p$2" type veth peer name eth0 netns "$space-$1"
  ip -n "$space-switch" link set "p$2" master br0 up
  ip -n "$space-$1" addr add "10.77.0.$2/24" dev eth0
  ip -n "$space-$1" link set lo up
  ip -n "$space-$1" link set eth0 up
  tc -n "$space-$1" qdisc add dev eth0 root handle 1: tbf rate "$3" burst 128kb latency 20ms
  tc -n "$space-$1" qdisc add dev eth0 parent 1: handle 2: pfifo_fast
}

shaped() { # rate
  hack/need.sh ip iproute2
  hack/need.sh tc iproute2
  ip netns add "$space-switch"
  made+=("$space-switch")
  ip -n "$space-switch" link add br0 type bridge
  ip -n "$space-switch" link set br0 up
  machine has 1 "$1"
  machine joins 2 "$1"
  machine clients 3 "$1"
  ip netns exec "$space-clients" "${copy[@]}" --link "$1/s" \
    --from-namespace "$space-has" --from-ip 10.77.0.1 --to-namespace "$space-joins" --to-ip 10.77.0.2
  finish
  made=()
}

for link in $links; do
  if [ "$link" = loopback ]; then "${copy[@]}"; else shaped "$link"; fi
done

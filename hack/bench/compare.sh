#!/bin/bash
# Measures one build of Seppen against another on this machine, in turns: the throughput
# of the second as a ratio of the first, the median of the rounds, with least and most.
#   hack/bench/compare.sh OLD NEW [ROUNDS [SECONDS]]
# OLD and NEW are seppen binaries. Both run all the time, each as `seppen local`, with
# 3 shards and 2 copies, and as one node.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { echo "usage: $0 OLD NEW [ROUNDS [SECONDS]]" >&2; exit 2; }
old=$(readlink -f "$1") new=$(readlink -f "$2") rounds=${3:-7} seconds=${4:-2}
hack/need.sh wrk wrk
tmp=$(mktemp -d)
pids=()
finish() {
  [ ${#pids[@]} -eq 0 ] || kill -INT "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$tmp"
}
trap finish EXIT

start() { # binary, port, shards, copies
  "$1" local --shards "$3" --copies "$4" --port "$2" >"$tmp/log-$2" 2>&1 &
  pids+=($!)
  for _ in $(seq 300); do
    if grep -q '^ready' "$tmp/log-$2"; then return 0; fi
    sleep 0.1
  done
  cat "$tmp/log-$2" >&2
  return 1
}

seq -f '/key-%g' 1 1000 >"$tmp/paths"
head -c 65536 /dev/urandom >"$tmp/ends"

measure() { # port, method, size, connections → requests per second
  head -c $(($3 - 16)) /dev/zero >"$tmp/filler"
  wrk -t 1 -c "$4" -d "${seconds}s" -s hack/bench/load.lua "http://127.0.0.1:$1" -- "$2" "$tmp/paths" "$tmp/filler" "$tmp/ends" >"$tmp/out"
  local line
  line=$(grep '^SUMMARY' "$tmp/out")
  if ! grep -q '"status":0,"socket":0,"timeout":0' <<<"$line"; then echo "failed requests: $line" >&2; return 1; fi
  sed -E 's/.*"us":([0-9]+),"requests":([0-9]+).*/\1 \2/' <<<"$line" | awk '{printf "%.0f\n", $2 / $1 * 1e6}'
}

row() { # cluster, port of old, port of new, method, size, connections
  : >"$tmp/pairs"
  measure "$2" "$4" "$5" "$6" >/dev/null
  measure "$3" "$4" "$5" "$6" >/dev/null
  local i a b
  for i in $(seq "$rounds"); do
    if ((i % 2)); then a=$(measure "$2" "$4" "$5" "$6"); b=$(measure "$3" "$4" "$5" "$6")
    else b=$(measure "$3" "$4" "$5" "$6"); a=$(measure "$2" "$4" "$5" "$6"); fi
    echo "$a $b" >>"$tmp/pairs"
  done
  awk '{printf "%d %d %.3f\n", $1, $2, $2 / $1}' "$tmp/pairs" | sort -n -k3 | awk -v row="| $1 | $4 | $5 B | $6 |" \
    '{a[NR] = $1; b[NR] = $2; r[NR] = $3} END {m = int((NR + 1) / 2); printf "%s %d | %d | %.2f (%.2f–%.2f) |\n", row, a[m], b[m], r[m], r[1], r[NR]}'
}

start "$old" 41285 1 1
start "$new" 42285 1 1
start "$old" 43285 3 2
start "$new" 44285 3 2
echo '| cluster | op | size | conns | old req/s | new req/s | new : old (least–most) |'
echo '| --- | --- | ---: | ---: | ---: | ---: | --- |'
for conns in ${CONNS:-1 16 64}; do
  for size in ${SIZES:-128 4096}; do
    for op in PUT GET; do # GET reads what PUT left
      row '1×1' 41285 42285 $op $size $conns
      row '3×2' 43285 44285 $op $size $conns
    done
  done
done

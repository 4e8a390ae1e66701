#!/bin/bash
# fault.sh: breaks things on a running cluster, and mends them. README.md tells what
# Kubernetes then does, and when.
#   fault.sh crash N             node N dies at once with all its pods; its disk stays
#   fault.sh start N             ... and boots again
#   fault.sh unplug N | plug N   N is off the network while its pods run on | back on it
#   fault.sh cut N               N and its pods do not reach kube-apiserver, but all else
#   fault.sh split N M           N and M, and their pods, do not reach each other, but all else
#   fault.sh loss N PERCENT      N loses that share of the packets that arrive over its cable
#   fault.sh mend N...           ends cut, split and loss on these nodes (split: name both)
#   fault.sh freeze X | thaw X   stops all processes of X without ending them | lets them go
#                                on; X is a node, for all its pods, or a pod, NAMESPACE/POD
#   fault.sh api-freeze | api-thaw   the same for kube-apiserver
#   fault.sh kubelet-freeze N | kubelet-thaw N   the same for the kubelet of N
# N is n1, n2, ...
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
usage() {
  sed -n '4,16s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
# nodes NAME...: ends the script unless these are nodes.
nodes() {
  local name
  for name; do
    [[ $name = n* && -d $RUN/$name ]] || die "there is no node $name"
  done
}

# rules N: adds the nftables rules on stdin, which see a packet before and after all else.
rules() {
  {
    echo "add table inet seppen_fault
      add chain inet seppen_fault in { type filter hook prerouting priority -500; }
      add chain inet seppen_fault out { type filter hook postrouting priority 500; }"
    sed 's/^ *\(in\|out\)/add rule inet seppen_fault \1/'
  } | in_node "${1#n}" nft -f -
}
split() {
  local other=${2#n}
  rules "$1" <<R
    in ip saddr { $(pod_net "$other"), $(node_ip "$other") } drop
    out ip daddr { $(pod_net "$other"), $(node_ip "$other") } drop
R
}
# pods X: the cgroup of node X's pods, or of pod X, where it can be frozen.
pods() {
  local uid
  case $1 in
  */*)
    uid=$(kubectl get pod -n "${1%/*}" "${1#*/}" -o jsonpath='{.metadata.uid}')
    find $freezer/seppen-n* -type d -name "pod$uid" | grep . || die "pod $1 has no processes on this machine"
    ;;
  *)
    nodes "$1"
    echo "$freezer/seppen-$1"
    ;;
  esac
}
# process NAME: its pid, or the end.
process() { pid_of "$1" || die "$1 is not running"; }
gone() { ! pid_of "$1"; }
# kubelet N: its pid, or the end.
kubelet() { pgrep -xf "kubelet --config $RUN/$1/kubelet.yaml .*" || die "the kubelet of $1 is not running"; }

case "${1:-}:$#" in
crash:2 | start:2 | unplug:2 | plug:2 | cut:2) nodes "$2" ;;
split:3) nodes "$2" "$3" ;;
loss:3 | kubelet-freeze:2 | kubelet-thaw:2) nodes "$2" ;;
mend:1) usage ;;
mend:*) nodes "${@:2}" ;;
freeze:2 | thaw:2 | api-freeze:1 | api-thaw:1) ;;
*) usage ;;
esac
need_machine 0
freezer=/sys/fs/cgroup/freezer
cgroups_v1 || freezer=/sys/fs/cgroup
what=$1
shift
case $what in
crash)
  pid=$(process "$1")
  kill -9 "$pid"
  thaw "$freezer/seppen-$1"
  wait_for 20 gone "$1"
  service_route
  ;;
start) "$SRC/node.sh" "${1#n}" ;;
unplug)
  ip link set "seppen-$1" down
  service_route
  ;;
plug)
  ip link set "seppen-$1" up
  service_route
  ;;
cut)
  rules "$1" <<R
    in ip saddr $HOST_IP tcp sport 6443 drop
    out ip daddr $HOST_IP tcp dport 6443 drop
R
  ;;
split)
  split "$1" "$2"
  split "$2" "$1"
  ;;
loss) echo "in iifname eth0 numgen random mod 100 < $2 drop" | rules "$1" ;;
mend)
  for name; do in_node "${name#n}" nft "add table inet seppen_fault; delete table inet seppen_fault"; done
  ;;
freeze)
  dir=$(pods "$1")
  freeze "$dir"
  ;;
thaw)
  dir=$(pods "$1")
  thaw "$dir"
  ;;
api-freeze)
  pid=$(process kube-apiserver)
  kill -STOP "$pid"
  ;;
api-thaw)
  pid=$(process kube-apiserver)
  kill -CONT "$pid"
  ;;
kubelet-freeze)
  pid=$(kubelet "$1")
  kill -STOP "$pid"
  ;;
kubelet-thaw)
  pid=$(kubelet "$1")
  kill -CONT "$pid"
  ;;
esac

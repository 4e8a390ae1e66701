#!/bin/bash
# up.sh: starts a Kubernetes cluster on this machine, out of what build.sh made. NODES=3
# up.sh starts three nodes (default 2), NODES=0 up.sh a control plane alone. A cluster
# that is up and well is left as it is; one that is not is taken down first. The last
# line is what a shell needs to use it: eval "$(hack/kube/up.sh | tail -n 1)".
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
wanted=${ASKED_NODES:-2}
[[ $wanted =~ ^[0-9]{1,2}$ ]] || die "NODES=$wanted: 0 to 99"
need_machine "$wanted"
[ -x "$BIN/kube" ] || die "run hack/kube/build.sh first"
[ "$wanted" = 0 ] || [ -e "$IMAGES/busybox.tar" ] || die "run hack/kube/build.sh first (there are no images)"
[ "$wanted" = 0 ] || command -v containerd >/dev/null || die "run hack/kube/install.sh first (there is no containerd)"
lock
need_alone

# trouble: says what is wrong with the cluster that is up, nothing if it is well.
trouble() {
  local name
  [ -e "$RUN/up" ] || { echo "it did not start completely"; return; }
  for name in etcd kube-apiserver kube-controller-manager kube-scheduler $(seq -f 'n%g' 1 "$NODES"); do
    pid_of "$name" >/dev/null || { echo "$name is not running"; return; }
  done
  kubectl get --raw /readyz --request-timeout=5s >/dev/null 2>&1 || { echo "kube-apiserver does not answer"; return; }
  [ "$NODES" = 0 ] || kubectl wait --for=condition=Ready node --all --timeout=10s >/dev/null 2>&1 ||
    { echo "not every node is ready"; return; }
}

if [ -e "$RUN" ]; then
  found=$(trouble)
  if [ -z "$found" ]; then
    [ -z "$ASKED_NODES" ] || [ "$wanted" = "$NODES" ] ||
      die "a cluster with $NODES nodes is up, not $wanted: run down.sh first"
    said "a cluster is up, with $NODES nodes"
    export_line
    exit
  fi
  echo "there is a cluster already, but $found: it goes"
  "$SRC/down.sh"
elif [ -n "$(ours)" ] || [ -e "/sys/class/net/$BRIDGE" ]; then
  echo "something is left of an earlier cluster: it goes"
  "$SRC/down.sh"
fi
for net in "$NODE_NET" "$SERVICE_NET" "$POD_NET"; do
  [ -z "$(ip -4 route show to root "$net")" ] || die "$net is in use on this machine: $(ip -4 route show to root "$net")"
done

NODES=$wanted
T0=$(now_ms)
mkdir -p "$RUN"
chmod 711 "$RUN"
mkdir -p "$LOGS" "$PIDS"
echo "$NODES" >"$RUN/nodes"
trap '[ $? = 0 ] || echo "up.sh: failed; the logs are in $LOGS until down.sh or the next up.sh" >&2' EXIT
"$SRC/pki.sh"
said "certificates"

# One bridge, for the host and its nodes. It has no uplink: nothing leaves the machine.
ip link add "$BRIDGE" type bridge
ip addr add "$HOST_IP/24" dev "$BRIDGE"
ip link set "$BRIDGE" up
"$SRC/control-plane.sh"
said "control plane is ready"

if [ "$NODES" -gt 0 ]; then
  # Nodes mount something of their own there, but the directories have to be the machine's.
  for dir in /var/lib/cni /var/lib/kubelet; do
    [ -d $dir ] || { echo $dir >>"$RUN/made"; mkdir -p $dir; }
  done
  kubectl apply -f "$SRC/manifests/kube-system.yaml" >/dev/null
  for ((i = 1; i <= NODES; i++)); do "$SRC/node.sh" "$i"; done
  for ((i = 1; i <= NODES; i++)); do
    wait_alive "n$i" 60 kubectl get node "n$i"
    kubectl wait --for=condition=Ready "node/n$i" --timeout=90s >/dev/null
  done
  said "$NODES nodes are ready"
  kubectl -n kube-system rollout status deployment/coredns --timeout=60s >/dev/null
  said "DNS is ready"
fi
touch "$RUN/up"
export_line

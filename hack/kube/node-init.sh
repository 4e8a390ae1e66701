#!/bin/bash
# node-init.sh I: process 1 of node I, inside the node's namespaces. node.sh starts it.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
i=$1 name=n$1 dir=$RUN/n$1 ip=$(node_ip "$1")
trap 'exit 0' TERM
socket=/run/containerd/containerd.sock

hostname "$name"
# The kubelet wants shared mounts. This is the node's own copy of the tree of mounts, and
# what is mounted here is gone with the node.
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run # sockets, network namespaces, the state of containers
mkdir -p /run/containerd /run/netns /run/lock
mount -t tmpfs tmpfs /var/lib/cni     # which pod has which address
mount -t tmpfs tmpfs /var/lib/kubelet # device-plugins, whatever --root-dir says
mount --bind "$dir/log" /var/log

# The kubelet insists on these settings, which are the whole machine's. It finds files
# here that hold what it wants, and leaves the machine's alone.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=/run/sysctl-$(echo "${setting%%=*}" | tr / _)
  echo "${setting##*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%%=*}"
done

ip link set lo up
until [ -e /proc/sys/net/ipv4/conf/eth0 ]; do sleep 0.05; done
ip addr add "$ip/24" dev eth0
ip link set eth0 up
ip route add default via "$HOST_IP"
for ((other = 1; other <= NODES; other++)); do
  [ "$other" = "$i" ] || ip route add "$(pod_net "$other")" via "$(node_ip "$other")"
done
echo 1 >/proc/sys/net/ipv4/ip_forward
[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

containerd --config "$dir/containerd.toml" >"$LOGS/$name-containerd.log" 2>&1 &
until ctr -a $socket version >/dev/null 2>&1; do
  [ -n "$(started_at $!)" ] || { echo "containerd ended: $LOGS/$name-containerd.log"; exit 1; }
  sleep 0.1
done
for image in "$IMAGES"/*.tar; do
  ctr -a $socket -n k8s.io images import --all-platforms "$image"
done
kube-proxy --config "$dir/kube-proxy.yaml" >"$LOGS/$name-kube-proxy.log" 2>&1 &
kubelet --config "$dir/kubelet.yaml" --kubeconfig "$RUN/$name.kubeconfig" --root-dir "$dir/kubelet" \
  --hostname-override "$name" --node-ip "$ip" >"$LOGS/$name-kubelet.log" 2>&1 &
echo "$name started"
# Process 1 has to wait for every orphan of its namespace, until it is told to end.
while :; do
  wait -n || true
  sleep 1 &
done

#!/bin/bash
# node.sh I: starts node "nI", a set of Linux namespaces with its own containerd, kubelet
# and kube-proxy. Its process 1 is node-init.sh: when that one is killed the kernel ends
# all others, containers too, which is how a node crashes. up.sh and fault.sh call it.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
i=$1 name=n$1 dir=$RUN/n$1 ip=$(node_ip "$1")
! pid_of "$name" >/dev/null || die "$name runs already"
mkdir -p "$dir"/{containerd,kubelet,volumeplugins,log,cni}
rm_cgroups "$i"
make_cgroups "$i"

cat >"$dir/cni/10-seppen.conflist" <<K
{"cniVersion": "0.4.0", "name": "seppen", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(pod_net "$i")"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
K
# restrict_oom_score_adj: the machine may lack CAP_SYS_RESOURCE, without which the -998
# that Kubernetes wants for some containers is refused.
cat >"$dir/containerd.toml" <<K
version = 2
root = "$dir/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing",
  "io.containerd.internal.v1.opt"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:dev"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
K
: >"$dir/resolv.conf"
cat >"$dir/kubelet.yaml" <<K
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $ip
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$name.crt
tlsPrivateKeyFile: $PKI/$name.key
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: /seppen-$name
failSwapOn: false
clusterDNS: [$SERVICE_DNS]
clusterDomain: cluster.local
resolvConf: $dir/resolv.conf
volumePluginDir: $dir/volumeplugins
readOnlyPort: 0
maxPods: 60
nodeStatusUpdateFrequency: 2s
nodeLeaseDurationSeconds: 8
evictionHard: {memory.available: "50Mi", nodefs.available: "0%", imagefs.available: "0%", nodefs.inodesFree: "0%"}
imageGCHighThresholdPercent: 100
K
# minSyncPeriod: how long a service may lag behind its endpoints; the default is 1 s.
cat >"$dir/kube-proxy.yaml" <<K
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $RUN/proxy.kubeconfig}
mode: nftables
nftables: {minSyncPeriod: 100ms}
clusterCIDR: $POD_NET
hostnameOverride: $name
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
K

# What process 1 says is in n1.log. It is known to this machine by the pid that `child`
# finds; the process around it only waits for it.
start "$name" unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc \
  "$SRC/node-init.sh" "$i"
outer=$!
child() { ps -o pid= --ppid "$outer"; }
wait_alive "$name" 10 child
pid=$(child | tr -d ' ')
remember "$name" "$pid"

# A cable from the bridge to the node, and the way to its pods.
ip link del "seppen-$name" 2>/dev/null || true
ip link add "seppen-$name" type veth peer name eth0 netns "$pid"
ip link set "seppen-$name" master "$BRIDGE" up
ip route replace "$(pod_net "$i")" via "$ip"
service_route

# shellcheck shell=bash disable=SC2034 # what is set here is used there
# env.sh: settings and helpers of the scripts beside it. Sourced, not run.
SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KUBE_HOME=$(realpath -m "${KUBE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/seppen-kube}")
BIN=$KUBE_HOME/bin       # the programs; build.sh makes it
IMAGES=$KUBE_HOME/images # every *.tar here is loaded into every node as it starts
RUN=$KUBE_HOME/run       # all that a running cluster writes; down.sh removes it
PKI=$RUN/pki LOGS=$RUN/logs PIDS=$RUN/pids

# The addresses are fixed, so there can be one cluster on a machine.
BRIDGE=seppen0           # the host's end of the network that the nodes share
NODE_NET=10.200.0.0/24
HOST_IP=10.200.0.1       # kube-apiserver listens here and nowhere else
SERVICE_NET=10.96.0.0/16
SERVICE_API=10.96.0.1
SERVICE_DNS=10.96.0.10   # manifests/kube-system.yaml has it too
POD_NET=10.244.0.0/16    # node I has 10.244.I.0/24
node_ip() { echo "10.200.0.$((10 + $1))"; }
pod_net() { echo "10.244.$1.0/24"; }

# How many nodes: those of the cluster that is up (up.sh writes it down), else what NODES says.
ASKED_NODES=${NODES:-}
NODES=$(cat "$RUN/nodes" 2>/dev/null || echo "${NODES:-2}")

export KUBE_HOME KUBECONFIG=$RUN/admin.kubeconfig
export PATH=$BIN:$PATH:/usr/local/go/bin:/usr/local/sbin:/usr/sbin:/sbin
# The API server is on this machine: a proxy would not find it.
NO_PROXY=${NO_PROXY:-${no_proxy:-}}
export NO_PROXY=${NO_PROXY:+$NO_PROXY,}$HOST_IP

now_ms() { date +%s%3N; }
T0=$(now_ms)
# said WHAT: reports a step, with the time since the script began.
said() { printf '%-34s%6s ms\n' "$1" "$(($(now_ms) - T0))"; }

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# export_line: what a shell needs to use the cluster.
export_line() {
  local proxy=
  [ -z "${HTTPS_PROXY:-${https_proxy:-}}" ] || proxy=" NO_PROXY=$NO_PROXY"
  echo "export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH$proxy"
}

# cgroups_v1, cgroups_v2: how this machine manages its processes. With neither (the
# controllers are elsewhere) there can be no nodes.
cgroups_v1() { [ -d /sys/fs/cgroup/freezer ] && [ -d /sys/fs/cgroup/memory ]; }
cgroups_v2() { [ -e /sys/fs/cgroup/cgroup.controllers ]; }

# need_machine NODES: ends the script where this machine cannot run that many nodes.
need_machine() {
  [ "$(uname -s)" = Linux ] || die "this needs Linux; elsewhere use Docker with kind"
  [ "$(id -u)" = 0 ] || die "this needs root, for namespaces and a network of its own; or Docker with kind"
  [ "$1" = 0 ] || cgroups_v1 || cgroups_v2 ||
    die "nodes need cgroups in /sys/fs/cgroup; NODES=0 starts a control plane alone"
}

# lock: one script at a time starts or stops a cluster. Held until the script ends:
# what stays running must not inherit descriptor 9.
lock() {
  [ -z "${SEPPEN_KUBE_LOCKED:-}" ] || return 0
  mkdir -p "$KUBE_HOME"
  exec 9>"$KUBE_HOME/cluster.lock"
  flock -n 9 || { echo "waiting for another script that starts or stops the cluster"; flock 9; }
  export SEPPEN_KUBE_LOCKED=1
}

# A process is remembered as "pid start-time", so that a pid that the kernel gave to
# somebody else is never taken for ours. A zombie has no start time: it is gone, but
# its parent has not noticed yet.
started_at() { awk '$3 !~ /[ZX]/ {print $22}' "/proc/$1/stat" 2>/dev/null; }

# start NAME COMMAND...: runs it apart from this script and remembers it. The mark in
# its environment, which its children inherit, is how `ours` finds it even when nobody
# wrote it down.
start() {
  local name=$1
  shift
  SEPPEN_KUBE_RUN=$RUN setsid "$@" >"$LOGS/$name.log" 2>&1 </dev/null 9>&- &
  remember "$name" $!
}

remember() { echo "$2 $(started_at "$2")" >"$PIDS/$1"; }

# pid_of NAME: its pid, if it still runs.
pid_of() {
  local pid at
  read -r pid at 2>/dev/null <"$PIDS/$1" && [ -n "$at" ] && [ "$(started_at "$pid")" = "$at" ] && echo "$pid"
}

# ours: the pids of all processes that carry the mark; containers' own do not, they end
# with their node.
ours() { grep -lszxF "SEPPEN_KUBE_RUN=$RUN" /proc/[0-9]*/environ | cut -d/ -f3; }

# need_alone: ends the script where a cluster of another KUBE_HOME is up: it has the same
# addresses and cgroups.
need_alone() {
  local other
  other=$(grep -hsz '^SEPPEN_KUBE_RUN=' /proc/[0-9]*/environ | tr '\0' '\n' | sort -u |
    sed 's/^[^=]*=//; s|/run$||' | grep -vxF "$KUBE_HOME" || true)
  [ -z "$other" ] || die "another cluster is up, that of KUBE_HOME=$other"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$(($(now_ms) + $1 * 1000))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$(now_ms)" -lt "$end" ] || { echo "timed out: $*" >&2; return 1; }
    sleep 0.05
  done
}

# wait_alive NAME SECONDS COMMAND...: the same, but not longer than NAME runs.
wait_alive() {
  local name=$1 seconds=$2
  shift 2
  # shellcheck disable=SC2317 # wait_for calls it
  over() { "$@" || ! pid_of "$name"; }
  if wait_for "$seconds" over "$@" && pid_of "$name" >/dev/null; then return; fi
  echo "$name, the end of its log:" >&2
  tail -n 5 "$LOGS/$name.log" >&2
  return 1
}

# in_node I COMMAND...: inside node I's namespaces. (ip netns exec would not do: it makes
# a mount namespace of its own.)
in_node() {
  local pid
  pid=$(pid_of "n$1") || { echo "n$1 is not running" >&2; return 1; }
  shift
  nsenter -t "$pid" -m -n -p -u -i "$@"
}
node_ctr() {
  local i=$1
  shift
  in_node "$i" ctr -a /run/containerd/containerd.sock -n k8s.io "$@"
}

# service_route: this machine, and so the API server with its webhooks, reaches services
# through one node: the same one as long as it runs and is plugged in, then the next.
service_route() {
  local i best=
  usable() { pid_of "n$1" >/dev/null && [ -n "$(ip link show dev "seppen-n$1" up 2>/dev/null)" ]; }
  for ((i = NODES; i >= 1; i--)); do
    usable "$i" || continue
    best=$i
    ! ip route show "$SERVICE_NET" | grep -qwF "via $(node_ip "$i")" || return 0
  done
  [ -z "$best" ] || ip route replace "$SERVICE_NET" via "$(node_ip "$best")"
}

# cgroups I: node I's cgroups, one in every v1 hierarchy or the one of v2; I may be "*".
cgroups() { find /sys/fs/cgroup -mindepth 1 -maxdepth 2 -type d -name "seppen-n$1"; }

# make_cgroups I: a kubelet on v1 wants the node's cgroup in every hierarchy, and a new
# cpuset starts empty. On v2 the controllers have to be handed down.
make_cgroups() {
  local c
  if cgroups_v2; then
    mkdir -p "/sys/fs/cgroup/seppen-n$1"
    for c in cpu cpuset io memory pids; do
      grep -qw $c /sys/fs/cgroup/cgroup.controllers || continue
      if ! { echo "+$c" >/sys/fs/cgroup/cgroup.subtree_control &&
        echo "+$c" >"/sys/fs/cgroup/seppen-n$1/cgroup.subtree_control"; }; then
        die "cgroups cannot be made here: is this a container? Run it on the machine itself, or use kind"
      fi
    done
    return
  fi
  for c in /sys/fs/cgroup/*/; do
    [ -e "$c/cgroup.procs" ] || continue
    mkdir -p "$c/seppen-n$1"
    if [ -e "$c/cpuset.cpus" ]; then
      cat "$c/cpuset.mems" >"$c/seppen-n$1/cpuset.mems"
      cat "$c/cpuset.cpus" >"$c/seppen-n$1/cpuset.cpus"
    fi
  done
}

# rm_cgroups I: leaf first; what is still in use stays. Left-overs of a crashed node
# cost its next kubelet 12 s.
rm_cgroups() {
  local c
  for c in $(cgroups "$1"); do
    find "$c" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# freeze DIR, thaw DIR...: stops and continues all processes of a cgroup and those under
# it. On v1 a frozen process dies only once it is thawed.
freeze() {
  if cgroups_v2; then echo 1 >"$1/cgroup.freeze"; else echo FROZEN >"$1/freezer.state"; fi
}
thaw() {
  local f
  find "$@" \( -name freezer.state -o -name cgroup.freeze \) 2>/dev/null | while read -r f; do
    case $f in
    */freezer.state) grep -qs THAWED "$f" || echo THAWED >"$f" ;;
    *) grep -qs 0 "$f" || echo 0 >"$f" ;;
    esac
  done 2>/dev/null || true
}

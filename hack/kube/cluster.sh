#!/bin/bash
# cluster.sh up | down: what `make cluster` and `make cluster-down` do. up starts a
# Kubernetes cluster with the image of this source tree in it: with kind where Docker and
# kind are there, else with the scripts beside it. NODES=3 makes three nodes (default 2).
set -euo pipefail
cd "$(dirname "$0")/../.."
image=${IMAGE:-seppen:dev}
kubeconfig=${KUBE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/seppen-kube}/kind.kubeconfig

# Each call tells kind of a kubeconfig of ours: a person's own stays as it is.
kind() { command kind "$@" --name seppen; }
have_kind() { command -v kind >/dev/null && command -v docker >/dev/null && docker info >/dev/null 2>&1; }
in_kind() { command kind get clusters 2>/dev/null | grep -qx seppen; }
kind_is_well() {
  docker exec seppen-control-plane kubectl --kubeconfig /etc/kubernetes/admin.conf get --raw /readyz >/dev/null 2>&1
}

make_image() { "${MAKE:-make}" --no-print-directory image IMAGE="$image"; }

next() {
  cat <<N

The cluster is up and has the image $image. To use it, type

  $1

  helm install seppen charts/seppen --namespace seppen --create-namespace \\
    --set image.repository=${image%:*} --set image.tag=${image##*:}
  kubectl apply -f config/samples/seppencluster.yaml
  kubectl get seppenclusters,pods

\`make cluster\` again loads the image of a changed source; \`make cluster-down\` ends it all.
N
}

up_kind() {
  local i
  make_image
  if in_kind && kind_is_well; then
    echo "a kind cluster named seppen is up"
  else
    ! in_kind || kind delete cluster --kubeconfig "$kubeconfig"
    mkdir -p "${kubeconfig%/*}"
    {
      echo '{kind: Cluster, apiVersion: kind.x-k8s.io/v1alpha4, nodes: [{role: control-plane}'
      for ((i = 0; i < ${NODES:-2}; i++)); do echo ', {role: worker}'; done
      echo ']}'
    } | kind create cluster --kubeconfig "$kubeconfig" --config - --wait 120s
  fi
  kind load image-archive dist/seppen.tar
  next "export KUBECONFIG=$kubeconfig"
  for i in kubectl helm; do
    command -v $i >/dev/null || echo "$i is missing: install it, or build it with hack/kube/build.sh api tools"
  done
}

can_here() { [ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ]; }

up_here() {
  if ! can_here; then
    cat >&2 <<N
make cluster needs one of
  - kind (https://kind.sigs.k8s.io) and a Docker that answers to \`docker info\`
  - root on Linux, for a cluster of processes in namespaces of their own
and found neither: this is $(uname -s), you are $(id -un). For nodes without Kubernetes: make run
N
    exit 1
  fi
  # What cannot work comes before the long build.
  (. hack/kube/env.sh && need_machine "${ASKED_NODES:-2}")
  make_image
  hack/kube/install.sh
  hack/kube/build.sh
  hack/kube/up.sh
  hack/kube/load.sh dist/seppen.tar
  next "$(. hack/kube/env.sh && export_line)"
}

case ${1:-} in
up) if have_kind; then up_kind; else up_here; fi ;;
down)
  if have_kind && in_kind; then
    kind delete cluster --kubeconfig "$kubeconfig"
    rm -f "$kubeconfig"
    can_here || exit 0
  fi
  hack/kube/down.sh
  ;;
*)
  sed -n '2,4s/^# //p' "$0" >&2
  exit 2
  ;;
esac

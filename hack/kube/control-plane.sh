#!/bin/bash
# control-plane.sh: starts etcd, kube-apiserver, kube-controller-manager and
# kube-scheduler as plain processes. up.sh calls it.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"

# Not the usual ports, which a person's etcd may have. Without fsync: nobody expects a
# test cluster to outlive a power cut.
start etcd etcd --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
  --listen-peer-urls http://127.0.0.1:23800

# Nodes are no names in any DNS, so the API server has to use their addresses. Pods
# leave a lost node after 5 s instead of 300. Servers of further APIs may run on the host,
# which no Service leads back to: they are asked at their endpoints.
start kube-apiserver kube-apiserver \
  --etcd-servers http://127.0.0.1:23790 \
  --bind-address "$HOST_IP" --advertise-address "$HOST_IP" --secure-port 6443 \
  --service-cluster-ip-range "$SERVICE_NET" \
  --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
  --client-ca-file "$PKI/ca.crt" \
  --kubelet-certificate-authority "$PKI/ca.crt" \
  --kubelet-client-certificate "$PKI/apiserver-kubelet.crt" --kubelet-client-key "$PKI/apiserver-kubelet.key" \
  --kubelet-preferred-address-types InternalIP \
  --service-account-issuer https://kubernetes.default.svc.cluster.local \
  --service-account-signing-key-file "$PKI/sa.key" --service-account-key-file "$PKI/sa.pub" \
  --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
  --default-unreachable-toleration-seconds 5 --default-not-ready-toleration-seconds 5 \
  --enable-aggregator-routing=true \
  --allow-privileged=true --profiling=false
wait_alive etcd 30 [ -d "$RUN/etcd/member" ]
wait_alive kube-apiserver 60 kubectl get --raw /readyz

# A silent node is NotReady after 10 s instead of 50, and nodes are given up faster than
# one in 10 s. Autoscalers look every 3 s instead of 15. With the default of 20 requests a
# second everything crawls.
start kube-controller-manager kube-controller-manager \
  --kubeconfig "$RUN/controller-manager.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false \
  --root-ca-file "$PKI/ca.crt" --service-account-private-key-file "$PKI/sa.key" \
  --use-service-account-credentials=true --kube-api-qps 500 --kube-api-burst 1000 \
  --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key" \
  --node-monitor-grace-period 10s --node-monitor-period 1s --node-eviction-rate 10 \
  --horizontal-pod-autoscaler-sync-period 3s --profiling=false
start kube-scheduler kube-scheduler \
  --kubeconfig "$RUN/scheduler.kubeconfig" --bind-address 127.0.0.1 --leader-elect=false \
  --kube-api-qps 500 --kube-api-burst 1000 --profiling=false
wait_alive kube-controller-manager 60 kubectl -n default get serviceaccount default

#!/bin/bash
# pki.sh: one CA and all certificates and kubeconfigs of the cluster, in $PKI and $RUN.
# up.sh calls it.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
umask 077
mkdir -p "$PKI"
cd "$PKI"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

# cert NAME SUBJECT [SAN]: a key and a certificate by the CA, for servers and clients alike.
cert() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  {
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth,clientAuth"
    [ -z "${3:-}" ] || echo "subjectAltName=$3"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
    -days 30 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

# kubeconfig NAME: $RUN/NAME.kubeconfig, which logs in with the certificate of that name.
kubeconfig() {
  cat >"$RUN/$1.kubeconfig" <<K
apiVersion: v1
kind: Config
current-context: seppen
clusters: [{name: seppen, cluster: {server: "https://$HOST_IP:6443", certificate-authority: $PKI/ca.crt}}]
users: [{name: $1, user: {client-certificate: $PKI/$1.crt, client-key: $PKI/$1.key}}]
contexts: [{name: seppen, context: {cluster: seppen, user: $1}}]
K
}

key ca
openssl req -x509 -new -key ca.key -subj /CN=seppen-kube -days 30 -out ca.crt \
  -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
key sa # signs the tokens of service accounts
openssl ec -in sa.key -pubout -out sa.pub 2>/dev/null

names=DNS:localhost,IP:127.0.0.1,IP:$HOST_IP,IP:$SERVICE_API
for name in kubernetes kubernetes.default kubernetes.default.svc kubernetes.default.svc.cluster.local; do
  names+=,DNS:$name
done
cert apiserver /CN=kube-apiserver "$names"
cert apiserver-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
cert admin /O=system:masters/CN=admin
cert controller-manager /CN=system:kube-controller-manager
cert scheduler /CN=system:kube-scheduler
cert proxy /CN=system:kube-proxy
for name in admin controller-manager scheduler proxy; do kubeconfig "$name"; done
for ((i = 1; i <= NODES; i++)); do
  cert "n$i" "/O=system:nodes/CN=system:node:n$i" "DNS:n$i,IP:$(node_ip "$i")"
  kubeconfig "n$i"
done

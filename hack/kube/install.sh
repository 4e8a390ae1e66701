#!/bin/bash
# install.sh: the Debian packages that a cluster on this machine needs. Go is not among
# them. Does nothing when all are there.
set -euo pipefail
packages=(
  containerd runc containernetworking-plugins # what runs in a node
  iproute2 iptables nftables conntrack        # its network, and kube-proxy's tools
  procps util-linux mount kmod                # ps, unshare, nsenter, flock
  openssl jq ca-certificates                  # certificates, images
  busybox-static                              # the image with a shell
)
missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} = 0 ]; then
  echo "all packages are installed"
  exit
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "install.sh: missing: ${missing[*]} (as root on Debian this script installs them)" >&2
  exit 1
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Debian's containerd service is not wanted, only its programs: policy-rc.d keeps it from
# starting as it is installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
  trap 'rm -f $policy' EXIT
fi
install_missing() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
install_missing 2>/dev/null || { apt-get update -qq && install_missing; }
echo "installed in $SECONDS s"

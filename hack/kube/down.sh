#!/bin/bash
# down.sh: stops what up.sh started and removes all it made, also after an up.sh that
# failed. What build.sh made stays.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/env.sh"
need_machine 0
lock
need_alone
links() { find /sys/class/net -name 'seppen-n*' -printf '%f\n'; }
if [ ! -e "$RUN" ] && [ -z "$(ours)$(links)$(cgroups '*')" ] && [ ! -e "/sys/class/net/$BRIDGE" ]; then
  echo "no cluster is up"
  exit
fi

# Process 1 of a node takes the whole node with it.
stop_all() {
  local pids
  pids=$(ours)
  # shellcheck disable=SC2086 # one argument each
  [ -z "$pids" ] || { kill -9 $pids 2>/dev/null || true; return 1; }
}
wait_for 20 stop_all || die "still running: $(ours | tr '\n' ' ')"
said "processes are stopped"

no_cgroups() {
  local found
  found=$(cgroups '*')
  # shellcheck disable=SC2086 # one argument each
  [ -z "$found" ] || { thaw $found; rm_cgroups '*'; return 1; }
}
wait_for 20 no_cgroups || die "cgroups that are still in use: $(cgroups '*' | tr '\n' ' ')"
ip route del "$SERVICE_NET" 2>/dev/null || true
for link in $(links) "$BRIDGE"; do
  [ ! -e "/sys/class/net/$link" ] || ip link del "$link" || [ ! -e "/sys/class/net/$link" ]
done
while read -r dir; do rmdir "$dir" 2>/dev/null || true; done < <(tac "$RUN/made" 2>/dev/null)
rm -rf "$RUN"
said "the cluster is down"

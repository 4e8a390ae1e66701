#!/bin/bash
# need.sh COMMAND PACKAGE...: sees that COMMAND is there. As root on Debian it installs
# the packages where it is missing; else it says what to do and fails.
set -euo pipefail
command=$1
shift
command -v "$command" >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing $*, for $command"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
  exit
fi
echo "$command is missing: install it (Debian: apt-get install $*)" >&2
exit 1

#!/usr/bin/env bash
# Usage: scripts/apt.sh PACKAGE...
#
# Installs Debian packages, as root or by sudo without a password.
set -euo pipefail
exec </dev/null

if ! command -v apt-get >/dev/null; then
    echo "apt.sh: no apt-get" >&2
    exit 1
fi
as_root=()
if [[ $(id -u) != 0 ]]; then
    sudo -n true
    as_root=(sudo -n)
fi
# In run level 1 packages leave their services alone.
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -q)
"${apt[@]}" update || echo "apt.sh: apt-get update failed, going on with the lists there are" >&2
"${apt[@]}" install -y --no-install-recommends "$@"

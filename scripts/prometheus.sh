#!/usr/bin/env bash
# Prints the path of a prometheus binary that has promtool beside it, and installs Debian's
# package if there is none. Everything but the path goes to stderr.
#
#   PROMETHEUS=PATH   use that binary and look no further
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "prometheus.sh: $*"; }

# Whether it and its promtool run.
works() {
    [[ -x $1 && -x $(dirname "$1")/promtool ]] || return
    "$1" --version && "$(dirname "$1")/promtool" --version
}

if [[ -n ${PROMETHEUS:-} ]]; then
    if ! works "$PROMETHEUS"; then
        say "PROMETHEUS=$PROMETHEUS does not run, or has no promtool beside it"
        exit 1
    fi
    echo "$PROMETHEUS" >&3
    exit
fi

server=$(type -P prometheus || true)
if [[ -z $server ]] || ! works "$server"; then
    "$(dirname "${BASH_SOURCE[0]}")/apt.sh" prometheus || say "apt-get: no prometheus"
    server=$(type -P prometheus || true)
fi
if [[ -z $server ]] || ! works "$server"; then
    say "no prometheus found, tried: PATH, apt-get install prometheus as root." \
        "Install it or set PROMETHEUS to the path of a prometheus with promtool beside it."
    exit 1
fi
echo "$server" >&3

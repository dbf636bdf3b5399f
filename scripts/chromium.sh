#!/usr/bin/env bash
# Prints the path of a chromium, and installs Debian's package if there is none. Everything but the
# path goes to stderr.
#
#   CHROMIUM=PATH   use that binary and look no further
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "chromium.sh: $*"; }

# As root it runs without its sandbox or not at all.
works() {
    [[ -x $1 ]] && "$1" --no-sandbox --version
}

if [[ -n ${CHROMIUM:-} ]]; then
    if ! works "$CHROMIUM"; then
        say "CHROMIUM=$CHROMIUM does not run"
        exit 1
    fi
    echo "$CHROMIUM" >&3
    exit
fi

browser=$(type -P chromium || true)
if [[ -z $browser ]] || ! works "$browser"; then
    "$(dirname "${BASH_SOURCE[0]}")/apt.sh" chromium || say "apt-get: no chromium"
    browser=$(type -P chromium || true)
fi
if [[ -z $browser ]] || ! works "$browser"; then
    say "no chromium found, tried: PATH, apt-get install chromium as root." \
        "Install it or set CHROMIUM to its path."
    exit 1
fi
echo "$browser" >&3

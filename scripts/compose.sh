#!/usr/bin/env bash
# Prints the path of a docker-compose binary, which reads compose files without a daemon, and
# installs Debian's package if there is none. Everything but the path goes to stderr.
#
#   COMPOSE=PATH   use that binary and look no further
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "compose.sh: $*"; }

works() { [[ -x ${1:-} ]] && "$1" version; }

# Where Debian's releases put it.
find_it() {
    local path
    for path in "$(type -P docker-compose)" /usr/lib*/docker/cli-plugins/docker-compose; do
        if works "$path"; then
            found=$path
            return
        fi
    done
    return 1
}

if [[ -n ${COMPOSE:-} ]]; then
    if ! works "$COMPOSE"; then
        say "COMPOSE=$COMPOSE does not run"
        exit 1
    fi
    echo "$COMPOSE" >&3
    exit
fi

found=
if ! find_it; then
    "$(dirname "${BASH_SOURCE[0]}")/apt.sh" docker-compose || say "apt-get: no docker-compose"
    find_it || true
fi
if [[ -z $found ]]; then
    say "no docker-compose found, tried: PATH, Docker's plugins, apt-get install docker-compose" \
        "as root. Install it or set COMPOSE to its path."
    exit 1
fi
echo "$found" >&3

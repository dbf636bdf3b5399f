#!/usr/bin/env bash
# Usage: scripts/test.sh [--long] [cargo test arguments...]
#        scripts/test.sh --soak [MINUTES]
#
# Runs all tests against a real redis-server, a real prometheus and a real chromium, then the doc
# tests. What they need beside a Rust toolchain is found or installed.
# With cargo test arguments, only cargo test with these.
# --long: the heavy tests at their full size, and then the soak. --soak: a load for so many minutes
# (30), one fault of Redis after the other, and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export NB_TEST_SIZE=ci
if [[ ${1:-} == --long ]]; then
    NB_TEST_SIZE=long
    export PROPTEST_CASES=20000
    shift
elif [[ ${1:-} == --soak ]]; then
    NB_TEST_SIZE=soak
    export NB_SOAK_MINUTES=${2:-30}
    set -- --release --test soak -- --nocapture
fi

REDIS_SERVER=$(scripts/redis.sh)
export REDIS_SERVER
PROMETHEUS=$(scripts/prometheus.sh)
export PROMETHEUS
COMPOSE=$(scripts/compose.sh)
export COMPOSE
HADOLINT=$(scripts/hadolint.sh)
export HADOLINT
CHROMIUM=$(scripts/chromium.sh)
export CHROMIUM
echo "redis: $("$REDIS_SERVER" --version) ($REDIS_SERVER)"
echo "prometheus: $PROMETHEUS, compose: $COMPOSE, hadolint: $HADOLINT, chromium: $CHROMIUM"
echo "size: $NB_TEST_SIZE"

targets=(--lib --bins --tests --examples)
for arg in "$@"; do
    case $arg in
        --) break ;;
        # Cargo would add a chosen target to the default ones.
        --lib | --bin | --bin=* | --bins | --test | --test=* | --tests | --example | --example=* | \
            --examples | --bench | --bench=* | --benches | --all-targets | --doc)
            targets=()
            ;;
    esac
done

test=(cargo test --workspace --all-features --no-fail-fast --locked)
"${test[@]}" "${targets[@]}" "$@"

if [[ $# -gt 0 ]]; then
    echo "no separate run of the doc tests: cargo test arguments were given"
else
    "${test[@]}" --doc
    if [[ $NB_TEST_SIZE == long ]]; then
        scripts/test.sh --soak
    fi
fi

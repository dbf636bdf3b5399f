#!/usr/bin/env bash
# Usage: scripts/load.sh [--rate REQUESTS_PER_SECOND] [--seconds SECONDS]
#
# Measures the demo API under load, without the layer, cached in memory, and
# cached in Redis, over loopback. Takes less than a minute after the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if REDIS_SERVER=$(scripts/redis.sh); then
    export REDIS_SERVER
else
    unset REDIS_SERVER
    echo "load.sh: going on without Redis" >&2
fi

cargo build --release --locked --example server
exec cargo bench --locked --bench load -- "$@"

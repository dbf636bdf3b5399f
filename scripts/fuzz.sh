#!/usr/bin/env bash
# Usage: scripts/fuzz.sh [SECONDS] [TARGET...]
#
# Fuzzes each target (default: all) for SECONDS (default: 60), on the stable
# toolchain and without cargo-fuzz. Needs a C++ compiler, to build libFuzzer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "fuzz.sh: not a number of seconds: $seconds" >&2
    exit 1
fi
targets=("${@:2}")
if [[ ${#targets[@]} == 0 ]]; then
    for file in fuzz/fuzz_targets/*.rs; do
        targets+=("$(basename "$file" .rs)")
    done
fi

host=$(rustc -vV | sed -n 's/^host: //p')
flags=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    # Comparisons with constants stay calls of memcmp, which libFuzzer watches.
    -Cllvm-args=-max-loads-per-memcmp=0
    -Ccodegen-units=1
    -Cdebug-assertions
    -Coverflow-checks
)

# This variable would win over RUSTFLAGS.
unset CARGO_ENCODED_RUSTFLAGS
# The explicit --target keeps the flags away from build scripts and macros.
RUSTFLAGS="${flags[*]}" cargo build --manifest-path fuzz/Cargo.toml --locked --release \
    --target "$host" --target-dir fuzz/target "${targets[@]/#/--bin=}"

failed=()
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    echo "fuzz: $target, $seconds s"
    "fuzz/target/$host/release/$target" -max_total_time="$seconds" -rss_limit_mb=2048 \
        -max_len=65536 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target" || failed+=("$target")
done

if [[ ${#failed[@]} -gt 0 ]]; then
    echo "fuzz: failed: ${failed[*]}, see fuzz/artifacts/" >&2
    exit 1
fi
echo "fuzz: passed: ${targets[*]}"

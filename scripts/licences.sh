#!/usr/bin/env bash
# Checks the licences and the number of the crates we depend on, build
# dependencies included, crates that only the tests need left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec python3 - <<'PY'
import json
import re
import subprocess
import sys

ALLOWED = {
    "MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause",
    "ISC", "Zlib", "Unicode-3.0", "Unicode-DFS-2016", "CC0-1.0", "BSL-1.0", "Unlicense", "0BSD",
}
LIMITS = [("default features", [], 140), ("no default features", ["--no-default-features"], 80)]


def satisfied(expression):
    """Evaluates an SPDX expression: AND binds tighter than OR, "/" is an old OR."""
    tokens = re.findall(r"[()/]|[^\s()/]+", expression)

    def peek():
        return tokens[0] if tokens else None

    def either():
        result = both()
        while peek() in ("OR", "/"):
            tokens.pop(0)
            result = both() or result
        return result

    def both():
        result = single()
        while peek() == "AND":
            tokens.pop(0)
            result = single() and result
        return result

    def single():
        if peek() == "(":
            tokens.pop(0)
            result = either()
            if peek() != ")":
                raise ValueError("unclosed parenthesis")
            tokens.pop(0)
            return result
        name = identifier()
        if peek() == "WITH":
            tokens.pop(0)
            name += " WITH " + identifier()
        return name in ALLOWED

    def identifier():
        if peek() in (None, "(", ")", "/", "AND", "OR", "WITH"):
            raise ValueError(f"a licence expected, found {peek()}")
        return tokens.pop(0)

    result = either()
    if tokens:
        raise ValueError(f"unexpected {tokens[0]}")
    return result


def check(condition, what):
    if not condition:
        sys.exit(f"licences: self-test failed: {what}")


def self_test():
    for expression, expected in [
        ("MIT", True),
        ("GPL-3.0", False),
        ("MPL-2.0", False),
        ("MIT OR GPL-3.0", True),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND GPL-3.0", False),
        ("GPL-3.0 AND MIT", False),
        ("MIT/Apache-2.0", True),
        ("GPL-3.0 / MIT", True),
        ("MIT OR GPL-3.0 AND MPL-2.0", True),
        ("(MIT OR GPL-3.0) AND MPL-2.0", False),
        ("GPL-3.0 AND MPL-2.0 OR MIT", True),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", True),
        ("((MIT))", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("Apache-2.0 WITH Other-exception", False),
        ("GPL-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", True),
    ]:
        check(satisfied(expression) == expected, expression)
    for broken in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "OR MIT", "MIT WITH", "()"]:
        try:
            satisfied(broken)
        except ValueError:
            continue
        check(False, f"{broken!r} was accepted")


def cargo(*args):
    return subprocess.run(["cargo", *args], check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(*flags):
    """The (name, version) of what we build and ship with, ourselves left out.

    From cargo tree, because cargo metadata adds what the tests' features pull in.
    """
    lines = cargo("tree", "--locked", "-e", "normal,build", "--prefix", "none", *flags).splitlines()
    found = [tuple(line.split()[:2]) for line in lines if line.strip()]
    return {(name, version.removeprefix("v")) for name, version in found if name != found[0][0]}


def refusal(package):
    if not package["license"]:
        return "no licence expression"
    try:
        return None if satisfied(package["license"]) else package["license"]
    except ValueError as error:
        return f"{package['license']}: {error}"


self_test()
failed = False

metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked", "--all-features"))
shipped = crates("--all-features", "--target", "all")
packages = [p for p in metadata["packages"] if (p["name"], p["version"]) in shipped]
check(shipped and len(packages) == len(shipped), "cargo tree and cargo metadata disagree")
for package in packages:
    reason = refusal(package)
    if reason:
        failed = True
        print(f"licences: {package['name']} {package['version']}: {reason}", file=sys.stderr)
print(f"licences: {len(packages)} crates checked, all features, all platforms")

for name, flags, limit in LIMITS:
    count = len(crates(*flags))
    print(f"licences: {count} crates with {name}, at most {limit} allowed")
    if count > limit:
        failed = True
        print(f"licences: too many crates with {name}", file=sys.stderr)

sys.exit(failed)
PY

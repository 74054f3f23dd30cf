#!/usr/bin/env python3
"""Compares what the shared cases brought in each language with what they brought in Rust.

    scripts/compare_cases.py [LANGUAGE...]

Reads target/cases/*.jsonl. A language that is named and not there, a case that is missing and an outcome that differs
are failures. Prints a table of counts and ends in `N passed, N failed`.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "cases"
# What differs from run to run.
VOLATILE = {"timing", "latency_ms", "first_token_ms"}
ID = re.compile(r"[0-9a-f]{11}-[0-9a-f]{16}-[0-9a-f]+")
PORT = re.compile(r"127\.0\.0\.1:\d+")


def settled(value):
    """A value without what differs from run to run; an absent field is a null one."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items() if key not in VOLATILE and inner is not None}
    if isinstance(value, list):
        return [settled(inner) for inner in value]
    if isinstance(value, str):
        return PORT.sub("127.0.0.1:PORT", ID.sub("ID", value))
    return value


def read(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line["case"]: settled(line["outcome"]) for line in map(json.loads, lines)}


def difference(want, found, place="$"):
    """The first place where two values differ."""
    if isinstance(want, dict) and isinstance(found, dict):
        for key in sorted(want.keys() | found.keys()):
            inner = difference(want.get(key), found.get(key), f"{place}.{key}")
            if inner:
                return inner
        return None
    if isinstance(want, list) and isinstance(found, list) and len(want) == len(found):
        pairs = enumerate(zip(want, found))
        return next((d for d in (difference(a, b, f"{place}[{at}]") for at, (a, b) in pairs) if d), None)
    return None if want == found else f"{place}: rust {json.dumps(want)[:200]}, here {json.dumps(found)[:200]}"


def main():
    files = {path.stem: path for path in sorted(FOLDER.glob("*.jsonl"))}
    if "rust" not in files:
        sys.exit("no outcomes of Rust: run `cargo test -p tierway-tests --test cases` first")
    rust = read(files["rust"])
    wanted = sys.argv[1:] or [name for name in files if name != "rust"]
    passed = failed = 0
    kinds = sorted({name.split(":")[0] for name in rust})
    print(f"{'language':<16}" + "".join(f"{kind:>10}" for kind in kinds) + f"{'equal':>8}{'other':>8}{'missing':>9}")
    for language in ["rust", *wanted]:
        found = read(files[language]) if language in files else {}
        counts = dict.fromkeys(kinds, 0)
        others, missing = [], []
        for name, outcome in rust.items():
            if name not in found:
                missing.append(name)
            elif fault := difference(outcome, found[name]):
                others.append(f"{language}: {name}: {fault}")
            else:
                counts[name.split(":")[0]] += 1
        equal = sum(counts.values())
        strange = sorted(found.keys() - rust.keys())
        print(f"{language:<16}" + "".join(f"{counts[kind]:>10}" for kind in kinds)
              + f"{equal:>8}{len(others):>8}{len(missing):>9}")
        for fault in others + [f"{language}: {name}: not run" for name in missing[:5]]:
            print("    " + fault)
        for name in strange:
            print(f"    {language}: {name}: Rust does not know it")
        passed, failed = passed + equal, failed + len(others) + len(missing) + len(strange)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

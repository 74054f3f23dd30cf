#!/usr/bin/env bash
# test.sh: makes the package's generated half and runs its tests and the shared cases, where Swift is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
made=$root/target/mobile-swift
if ! swift --version 2>/dev/null | grep "Swift version" >/dev/null; then
    echo "skipped: Swift is not installed here (210 cases)"
    exit 0
fi
"$here/native.sh" "$made"
export LD_LIBRARY_PATH=$made/native${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} DYLD_LIBRARY_PATH=$made/native
status=0
swift test --package-path "$here" --scratch-path "$made/build" -Xlinker "-L$made/native" 2>&1 | tee "$made/log" || status=$?
# The package compiles without a word: the compiler's warnings are of data races too.
if grep -E '^/.*warning: ' "$made/log" >"$made/warnings"; then
    sort -u "$made/warnings"
    echo "0 passed, 1 failed"
    status=1
fi
# The runner's own last line, in words that are counted.
awk '/Executed [0-9]+ tests?, with [0-9]+ failures?/ { tests = $2; bad = $5 } END { print tests - bad " passed, " bad + 0 " failed" }' "$made/log"
exit "$status"

#!/usr/bin/env bash
# native.sh FOLDER: makes the package's generated half and puts it into its place, and the library into FOLDER/native: what links
# it is built with -Xlinker -LFOLDER/native. With MADE=1 both are in FOLDER already: a machine with Swift may have no Rust.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
[ -n "${MADE:-}" ] || "$here/../generate" swift "$1"
cp "$1/generated/TierwayCore.swift" "$here/Sources/TierwayCore/"
cp "$1/generated/TierwayFFI.h" "$here/Sources/TierwayFFI/"

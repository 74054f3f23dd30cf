#!/usr/bin/env bash
# xcframework.sh: on a Mac with Xcode and the Rust targets, makes swift/TierwayFFI.xcframework from the library as it is shipped, and the
# package's generated half.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
[ "$(uname)" = Darwin ] || { echo "a framework is made on a Mac with Xcode"; exit 1; }
made=$root/target/mobile-swift
"$here/../generate" swift "$made"
headers=$made/headers
mkdir -p "$headers"
cp "$made/generated/TierwayFFI.h" "$headers/"
sed 's/ *link "tierway_mobile"//' "$here/Sources/TierwayFFI/module.modulemap" >"$headers/module.modulemap"
cp "$made/generated/TierwayCore.swift" "$here/Sources/TierwayCore/"

arguments=()
# add NAME TARGET...: one slice, of one or two architectures.
add() {
    local name=$1 archives=(); shift
    for target in "$@"; do
        (cd "$root" && cargo rustc -q --profile mobile -p tierway-mobile --lib --crate-type staticlib --no-default-features --features sqlite \
            --target "$target")
        archives+=("$root/target/$target/mobile/libtierway_mobile.a")
    done
    mkdir -p "$made/$name"
    lipo -create "${archives[@]}" -output "$made/$name/libtierway_mobile.a"
    arguments+=(-library "$made/$name/libtierway_mobile.a" -headers "$headers")
}
add ios aarch64-apple-ios
add simulator aarch64-apple-ios-sim x86_64-apple-ios
add macos aarch64-apple-darwin x86_64-apple-darwin
rm -rf "$here/TierwayFFI.xcframework"
xcodebuild -create-xcframework "${arguments[@]}" -output "$here/TierwayFFI.xcframework"

#!/usr/bin/env bash
# packed.sh WORK FOLDER: copies the package as it is shipped, and runs the README's Swift examples, word for word, from a bare
# package that depends on it by its path, against a vendor server on loopback. FOLDER is where native.sh made the library.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
native=$(cd "$2/native" && pwd)
rm -rf "$1" && mkdir -p "$1/tierway" "$1/bare/Sources/bare"
work=$(cd "$1" && pwd)
cp -R "$here/Package.swift" "$here/Sources" "$work/tierway/"
cd "$work/bare"
cat >Package.swift <<'SWIFT'
// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "bare",
    platforms: [.macOS(.v12)],
    dependencies: [.package(path: "../tierway")],
    targets: [.executableTarget(name: "bare", dependencies: [.product(name: "Tierway", package: "tierway")])]
)
SWIFT
cat >run <<BASH
#!/usr/bin/env bash
# run EXAMPLE: builds and runs one, in the folder where it is.
set -euo pipefail
cp "\$1" Sources/bare/main.swift
swift build -q -Xlinker "-L$native"
exec swift run -q --skip-build bare
BASH
chmod +x run
export LD_LIBRARY_PATH=$native${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} DYLD_LIBRARY_PATH=$native
"$root/scripts/run_examples" "$here/../README.md" swift swift ./run

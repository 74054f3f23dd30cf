#!/usr/bin/env bash
# packed.sh WORK: packs the package and that of this platform as npm would get them, installs both into a bare project, and
# runs the README's examples there against a vendor server on loopback.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
rm -rf "$1" && mkdir -p "$1/tar" "$1/bare"
work=$(cd "$1" && pwd)
node "$here/scripts/packages.mjs" "$here" "$work/npm" --some
stage=$work/stage
mkdir -p "$stage"
(cd "$here" && cp -r lib index.cjs index.mjs index.d.cts index.d.mts types.d.ts package.json README.md "$stage/")
(cd "$work/tar" && npm pack --silent "$work"/npm/*/ "$stage" >/dev/null)
cd "$work/bare"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --offline --omit=optional "$work"/tar/*.tgz
# Every example of the README, word for word, each in a file of its own.
"$root/scripts/run_examples" "$here/README.md" js mjs node

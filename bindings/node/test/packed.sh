#!/usr/bin/env bash
# packed.sh WORK: packs the package and that of this platform as npm would get them, installs both into a bare project, and
# runs the README's example there against a vendor server on loopback.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
work=$1
rm -rf "$work" && mkdir -p "$work/tar" "$work/bare"
node "$here/scripts/packages.mjs" "$here" "$work/npm" --some
stage=$work/stage
mkdir -p "$stage"
(cd "$here" && cp -r lib index.cjs index.mjs index.d.cts index.d.mts types.d.ts package.json README.md "$stage/")
(cd "$work/tar" && npm pack --silent "$work"/npm/*/ "$stage" >/dev/null)
cd "$work/bare"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --offline --omit=optional "$work"/tar/*.tgz
awk '/^```js$/ { if (!done) inside = 1; next } /^```$/ { if (inside) done = 1; inside = 0 } inside' "$here/README.md" >example.mjs
grep -q 'new Client()' example.mjs
python3 "$root/scripts/with_loopback.py" --key DEEPSEEK_API_KEY --endpoint deepseek node example.mjs | tee said
grep -q 'deepseek/' said
echo "packed: 1 example passed"

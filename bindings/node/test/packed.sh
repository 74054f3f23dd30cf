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
awk '/^```js$/ { at++; inside = 1; next } /^```$/ { inside = 0 } inside { print >("example" at ".mjs") }' "$here/README.md"
grep -q 'new Client()' example1.mjs
ran=0
for example in example*.mjs; do
    python3 "$root/scripts/with_loopback.py" --key DEEPSEEK_API_KEY --endpoint deepseek node "$example" >"$example.said"
    cat "$example.said"
    ran=$((ran + 1))
done
grep -q 'deepseek/' example1.mjs.said
grep -q '^Short waves scatter more.$' example2.mjs.said
grep -q '^hello by ollama/' example3.mjs.said
echo "$ran passed, 0 failed"

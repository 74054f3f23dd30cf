#!/usr/bin/env bash
# packed.sh WHEEL WORK: installs a wheel into a bare virtual environment, without anything else and without a network, and runs
# the README's examples there against a vendor server on loopback. The wheel is at most 12 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
rm -rf "$2" && mkdir -p "$2"
work=$(cd "$2" && pwd)
bytes=$(wc -c <"$wheel")
echo "$(basename "$wheel"): $bytes bytes"
[ "$bytes" -le 12000000 ]
python3 -m venv "$work/bare"
python=$work/bare/bin/python
"$python" -m pip install -q --no-index --no-deps "$wheel"
cd "$work"
# Every example of the README, word for word, each in a file of its own.
"$root/scripts/run_examples" "$here/README.md" python py "$python"
# The command and the types came with it.
"$work/bare/bin/tierway" --help >/dev/null
"$python" - <<'PYTHON'
import pathlib, tierway
assert (pathlib.Path(tierway.__file__).parent / "py.typed").exists()
PYTHON

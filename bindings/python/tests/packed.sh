#!/usr/bin/env bash
# packed.sh WHEEL WORK: installs a wheel into a bare virtual environment, without anything else and without a network, and runs
# the README's example there against a vendor server on loopback. The wheel is at most 12 MB.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
root=$(cd "$here/../.." && pwd)
wheel=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
work=$2
rm -rf "$work" && mkdir -p "$work"
bytes=$(wc -c <"$wheel")
echo "$(basename "$wheel"): $bytes bytes"
[ "$bytes" -le 12000000 ]
python3 -m venv "$work/bare"
python=$work/bare/bin/python
"$python" -m pip install -q --no-index --no-deps "$wheel"
cd "$work"
awk '/^```python$/ { if (!done) inside = 1; next } /^```$/ { if (inside) done = 1; inside = 0 } inside' "$here/README.md" >example.py
grep -q 'Client()' example.py
python3 "$root/scripts/with_loopback.py" --key DEEPSEEK_API_KEY --endpoint deepseek "$python" example.py | tee said
grep -q 'deepseek/' said
# The command and the types came with it.
"$work/bare/bin/tierway" --help >/dev/null
"$python" - <<'PYTHON'
import pathlib, tierway
assert (pathlib.Path(tierway.__file__).parent / "py.typed").exists()
PYTHON
echo "packed: 1 example passed"

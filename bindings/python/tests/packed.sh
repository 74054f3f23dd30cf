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
awk '/^```python$/ { at++; inside = 1; next } /^```$/ { inside = 0 } inside { print >("example" at ".py") }' "$here/README.md"
grep -q 'Client()' example1.py
ran=0
for example in example*.py; do
    python3 "$root/scripts/with_loopback.py" --key DEEPSEEK_API_KEY --endpoint deepseek "$python" "$example" >"$example.said"
    cat "$example.said"
    ran=$((ran + 1))
done
grep -q 'deepseek/' example1.py.said
grep -q '^Short waves scatter more.$' example2.py.said
grep -q '^hello by ollama/' example3.py.said
# The command and the types came with it.
"$work/bare/bin/tierway" --help >/dev/null
"$python" - <<'PYTHON'
import pathlib, tierway
assert (pathlib.Path(tierway.__file__).parent / "py.typed").exists()
PYTHON
echo "$ran passed, 0 failed"

# The Python package: built once with what its tests script, then its tests, its types and its stubs.
python_suites() {
    local venv=$root/target/python-tests
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        missing python "Python 3.10 or later is not here"
        return
    fi
    python_ready() {
        [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return
        "$venv/bin/pip" install -q -r "$root/bindings/python/requirements-test.txt" || return
        cd "$root/bindings/python" && VIRTUAL_ENV=$venv "$venv/bin/maturin" develop -q --features extension-module,testing
    }
    suite python-build python_ready
    suite python-tests "$venv/bin/python" -m pytest -q "$root/bindings/python/tests"
    suite python-types "$venv/bin/mypy" --strict "$root/bindings/python/python/tierway" "$root/bindings/python/tests/typing_of_answers.py"
    suite python-stubs "$venv/bin/python" -m mypy.stubtest tierway._native
}
python_suites

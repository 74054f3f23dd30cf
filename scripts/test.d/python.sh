# The Python package: built once with what its tests script, then its tests, its types and its stubs; and the wheel as it is
# shipped, in a bare environment.
python_suites() {
    local venv=$root/target/python-tests
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        missing python "Python 3.10 or later is not here"
        return
    fi
    python_ready() {
        venv "$venv" || return
        again "$venv/bin/pip" install -q -r "$root/bindings/python/requirements-test.txt" || return
        cd "$root/bindings/python" && VIRTUAL_ENV=$venv "$venv/bin/maturin" develop -q --features extension-module,testing
    }
    suite python-build python_ready
    suite python-tests "$venv/bin/python" -m pytest -q "$root/bindings/python/tests"
    suite python-types "$venv/bin/mypy" --strict "$root/bindings/python/python/tierway" "$root/bindings/python/tests/typing_of_answers.py"
    suite python-stubs "$venv/bin/python" -m mypy.stubtest tierway._native
    # Linked by zig against glibc 2.17, so that it runs on every Linux of the last ten years.
    wheel_ready() {
        again "$venv/bin/pip" install -q ziglang==0.17.1 auditwheel==6.8.2 || return
        rm -rf "$root/target/python-wheel"
        cd "$root/bindings/python" && PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv "$venv/bin/maturin" build -q --release --zig \
            --compatibility manylinux2014 --out "$root/target/python-wheel" || return
        "$venv/bin/auditwheel" show "$root"/target/python-wheel/*.whl | tee "$root/target/python-wheel/audit"
        grep -q 'manylinux_2_17_' "$root/target/python-wheel/audit"
    }
    if [ "$(uname)" = Linux ]; then
        suite python-wheel wheel_ready
        suite python-packed "$root/bindings/python/tests/packed.sh" "$root"/target/python-wheel/*.whl "$root/target/python-packed"
    else
        missing python-wheel "a wheel for manylinux2014 is built on Linux"
    fi
}
python_suites

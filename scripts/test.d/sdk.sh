# The official Python SDKs of OpenAI, Anthropic and Google, pointed at our vendor server on loopback, and our wires on the
# same bytes.
sdk_suites() {
    local venv=$root/target/sdk-tests
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        missing sdk "Python 3.10 or later is not here"
        return
    fi
    sdk_ready() {
        venv "$venv" || return
        again "$venv/bin/pip" install -q -r "$root/tests/sdk/requirements.txt" || return
        cargo build -q -p tierway-cli
    }
    suite sdk-build sdk_ready
    suite sdk-tests "$venv/bin/python" -m pytest -q -p no:cacheprovider "$root/tests/sdk"
}
sdk_suites

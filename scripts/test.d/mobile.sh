# The library for phones: its Python side is generated from it and runs the shared cases.
mobile_suites() {
    local made=$root/target/mobile-python
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
        missing mobile-python "Python 3.9 or later is not here (210 cases)"
        return
    fi
    mobile_ready() {
        local library=libtierway_mobile.so
        [ "$(uname)" = Darwin ] && library=libtierway_mobile.dylib
        # The formats are asked over HTTP on loopback.
        cargo build -q -p tierway-mobile --features http,testing || return
        cargo run -q -p tierway-mobile-bindgen -- generate --library "$root/target/debug/$library" --language python \
            --out-dir "$made" --no-format || return
        cp "$root/target/debug/$library" "$made/"
    }
    suite mobile-build mobile_ready
    suite mobile-python python3 "$root/bindings/mobile/python/run_cases.py" "$made"
}
mobile_suites

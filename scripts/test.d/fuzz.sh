# The parsers of bytes from the network and the loaders of model files, fuzzed for a bounded time from the corpus of the
# repository, in bounded memory.
fuzz_suites() {
    local target seconds=${FUZZ_SECONDS:-20}
    if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
        missing fuzz "cargo-fuzz or a nightly toolchain is not here (8 targets)"
        return
    fi
    fuzz_one() {
        # What is found is kept apart, so that a run changes nothing that is under version control.
        local found=$root/target/fuzz-found/$1 longest=4096
        # A whole model is longer than a stream.
        [ "$1" = gguf ] && longest=32768
        mkdir -p "$found" || return
        cargo +nightly fuzz run "$1" "$found" "$root/fuzz/corpus/$1" -- -max_total_time="$seconds" -max_len="$longest" \
            -rss_limit_mb=1024 -malloc_limit_mb=256 -timeout=20
    }
    for target in sse eventstream streams safetensors gguf config tokenizer template; do
        suite "fuzz-$target" fuzz_one "$target"
    done
}
fuzz_suites

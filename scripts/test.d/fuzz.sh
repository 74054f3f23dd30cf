# The parsers that read bytes from the network, fuzzed for a bounded time from the corpus of the repository.
fuzz_suites() {
    local target seconds=${FUZZ_SECONDS:-20}
    if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
        missing fuzz "cargo-fuzz or a nightly toolchain is not here (3 targets)"
        return
    fi
    fuzz_one() {
        # What is found is kept apart, so that a run changes nothing that is under version control.
        local found=$root/target/fuzz-found/$1
        mkdir -p "$found" || return
        cargo +nightly fuzz run "$1" "$found" "$root/fuzz/corpus/$1" -- -max_total_time="$seconds" -max_len=4096
    }
    for target in sse eventstream streams; do
        suite "fuzz-$target" fuzz_one "$target"
    done
}
fuzz_suites

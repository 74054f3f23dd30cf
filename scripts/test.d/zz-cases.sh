# The shared cases: their files are what their rules give, and every language that ran brought what Rust brought.
cases_suites() {
    suite cases-files python3 "$root/tests/cases/make.py" --check
    local languages=() language
    for language in python python-async node kotlin swift uniffi-python; do
        if [ -r "$root/target/cases/$language.jsonl" ]; then
            languages+=("$language")
        else
            missing "cases-$language" "no outcomes of $language here (210 cases)"
        fi
    done
    if [ -r "$root/target/cases/rust.jsonl" ]; then
        suite cases-compared "$root/scripts/compare_cases.py" "${languages[@]}"
        [[ cases-compared == "$only"* ]] && sed -n '/^language/,$p' "$logs/cases-compared.log"
    else
        missing cases-compared "the Rust suite has left no outcomes"
    fi
}
cases_suites

# The fleet's ledger on a server of its own.
postgres_suite() {
    if ! scripts/with_postgres 2>/dev/null; then
        missing postgres "PostgreSQL is not installed: apt-get install postgresql"
        return
    fi
    postgres_tests() {
        scripts/with_postgres cargo test -p tierway-tests --features postgres --test postgres --no-fail-fast -- --show-output
    }
    report_tests() {
        scripts/with_postgres cargo test -p tierway-cli --features postgres-tests --test fleet -- --show-output
    }
    suite rust-postgres postgres_tests
    suite rust-postgres-report report_tests
    suite rust-postgres-lints cargo clippy -p tierway-tests -p tierway-cli --test postgres --test fleet \
        --features tierway-tests/postgres,tierway-cli/postgres-tests -- -D warnings
}
postgres_suite

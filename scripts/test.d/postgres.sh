# The fleet's ledger on a server of its own.
postgres_suite() {
    if ! scripts/with_postgres 2>/dev/null; then
        missing postgres "PostgreSQL is not installed: apt-get install postgresql"
        return
    fi
    postgres_tests() {
        scripts/with_postgres cargo test -p tierway-tests --features postgres --test postgres --no-fail-fast -- --show-output
    }
    suite rust-postgres postgres_tests
    suite rust-postgres-lints cargo clippy -p tierway-tests --features postgres --test postgres -- -D warnings
}
postgres_suite

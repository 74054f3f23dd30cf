# The fleet's ledger on a server of its own: PostgreSQL from the system's packages, on loopback, with syncs on and TLS.
postgres_suite() {
    local bin user="" home port
    bin=$(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -V | tail -1)
    [ -n "$bin" ] || bin=$(dirname "$(command -v initdb 2>/dev/null || echo /nowhere/initdb)")
    if [ ! -x "$bin/initdb" ] || [ ! -x "$bin/postgres" ]; then
        missing postgres "PostgreSQL is not installed: apt-get install postgresql"
        return
    fi
    [[ rust-postgres == "$only"* ]] || return 0
    home=$(mktemp -d "${TMPDIR:-/tmp}/tierway-postgres.XXXXXX")
    # The server refuses to run as root.
    if [ "$(id -u)" = 0 ]; then
        user=$(id -un postgres 2>/dev/null || echo nobody)
        chown "$user" "$home"
    fi
    as_user() { if [ -n "$user" ]; then su -s /bin/bash "$user" -c "$1"; else bash -c "$1"; fi; }
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    postgres_ready() {
        as_user "cd '$home' && '$bin/initdb' -D data -U tierway -A trust -E UTF8 --no-instructions >init.log" || return
        if command -v openssl >/dev/null; then
            as_user "cd '$home' && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj '/CN=Tierway test root' \
                -keyout root.key -out root.pem 2>/dev/null &&
                openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout data/server.key -out server.csr 2>/dev/null &&
                printf 'subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n' >ext &&
                openssl x509 -req -in server.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile ext \
                    -out data/server.crt 2>/dev/null && chmod 600 data/server.key" || return
            echo "ssl = on" >>"$home/data/postgresql.conf"
        fi
        printf "listen_addresses = '127.0.0.1'\nport = %s\nunix_socket_directories = ''\nmax_connections = 200\n" "$port" \
            >>"$home/data/postgresql.conf"
        as_user "cd '$home' && '$bin/pg_ctl' -D data -l server.log -w start >start.log"
    }
    postgres_tests() {
        postgres_ready || { cat "$home"/*.log; return 1; }
        # What a test needs to stop and start the server, as the user that it runs as.
        export TIERWAY_TEST_POSTGRES="postgres://tierway@127.0.0.1:$port/postgres"
        export TIERWAY_TEST_POSTGRES_BIN=$bin TIERWAY_TEST_POSTGRES_HOME=$home TIERWAY_TEST_POSTGRES_USER=$user
        cargo test -p tierway-tests --features postgres --test postgres --no-fail-fast -- --show-output
    }
    suite rust-postgres postgres_tests
    suite rust-postgres-lints cargo clippy -p tierway-tests --features postgres --test postgres -- -D warnings
    as_user "'$bin/pg_ctl' -D '$home/data' -m immediate stop >/dev/null 2>&1"
    rm -rf "$home"
}
postgres_suite

# The Node package: built with what its tests script; its tests, its types, other runtimes, and the tarball in a bare project.
node_suites() {
    local node=$root/bindings/node tools=$root/target/node-tools runtime
    if ! node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' 2>/dev/null; then
        missing node "Node 20 or later is not here (450 tests)"
        return
    fi
    suite node-build node "$node/scripts/build.mjs" --testing
    suite node-tests node --test --expose-gc "$node/test/client.test.mjs" "$node/test/cases.test.mjs" "$node/test/panics.test.mjs"
    suite node-misuse node --test --expose-gc "$node/test/misuse.test.mjs"
    mkdir -p "$tools"
    # Each by itself, so that one that cannot be had takes no other with it.
    fetch() { [ -d "$tools/node_modules/${1%@*}" ] || again npm install --prefix "$tools" --silent --no-audit --no-fund "$1" >/dev/null 2>&1; }
    if fetch typescript@7.0.2; then
        suite node-types "$tools/node_modules/.bin/tsc" -p "$node/test/tsconfig.json"
    else
        missing node-types "TypeScript cannot be installed"
    fi
    for runtime in bun deno; do
        if fetch "$runtime" && "$tools/node_modules/.bin/$runtime" --version >/dev/null 2>&1; then
            local run=("$tools/node_modules/.bin/$runtime" run)
            [ "$runtime" = deno ] && run+=(--allow-all)
            suite "node-$runtime" "${run[@]}" "$node/test/smoke.mjs"
        else
            missing "node-$runtime" "$runtime cannot be installed"
        fi
    done
    suite node-packed "$node/test/packed.sh" "$root/target/node-packed"
}
node_suites

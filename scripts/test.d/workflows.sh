# The workflows of releases and checks, which run elsewhere: what actionlint says of them.
workflows_suite() {
    local tool=$root/target/tools/actionlint
    [[ workflows == "$only"* ]] || return 0
    if [ ! -x "$tool" ] && command -v go >/dev/null; then
        GOBIN=$root/target/tools go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 >/dev/null 2>&1
    fi
    if [ -x "$tool" ]; then
        # Without the linters of other languages that may be on one machine and not on another.
        suite workflows "$tool" -no-color -shellcheck= -pyflakes=
    else
        missing workflows "actionlint is not here, nor Go to install it"
    fi
}
workflows_suite

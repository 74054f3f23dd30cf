# The engine's operations on 64-bit ARM: on such a processor the Rust suite runs them; elsewhere qemu emulates one.
arm_suite() {
    local target=aarch64-unknown-linux-gnu
    [ "$(uname -m)" = aarch64 ] && return
    if ! command -v qemu-aarch64 aarch64-linux-gnu-gcc >/dev/null || ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
        missing arm "apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross; rustup target add $target"
        return
    fi
    arm_tests() {
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
        cargo test -p tierway-engine --target "$target" --lib backend::cpu -- --show-output
    }
    suite arm-engine arm_tests
}
arm_suite

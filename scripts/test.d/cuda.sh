# The kernels of the feature `cuda` without a GPU: to machine code by NVRTC, and run on the CPU against the recorded outputs.
cuda_suites() {
    local venv=$root/target/cuda-tests
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
        missing cuda "Python 3.9 or later is not here"
        return
    fi
    cuda_ready() {
        venv "$venv" || return
        again "$venv/bin/pip" install -q nvidia-cuda-nvrtc-cu12==12.8.93 nvidia-cuda-cuobjdump==13.5.37 nvidia-cuda-nvdisasm==13.5.37
    }
    suite cuda-build cuda_ready
    suite cuda-kernels "$venv/bin/python" "$root/engine/scripts/kernels.py"
    suite cuda-tests cargo test -p tierway-engine --features cuda --lib cuda:: -- --show-output
    suite cuda-lints cargo clippy -p tierway-engine --features cuda --all-targets -- -D warnings
}
cuda_suites

#!/usr/bin/env bash
# gpu.sh [DATA]: checks and times the engine on the GPU of this machine and prints one short table; fetches nothing.
#
# Build before, here or on a machine of the same kind: `cargo build --release -p tierway-cli --features cuda`. TIERWAY may name the
# command, DATA (or TIERWAY_DATA) the folder of golden folders, GPU the GPU's number. NVRTC comes with CUDA or with PyTorch;
# its folder has to be on LD_LIBRARY_PATH. HF transformers is timed beside where torch and transformers are installed.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tierway=${TIERWAY:-$here/../../target/release/tierway}
data=${1:-${TIERWAY_DATA:-}}
device=cuda:${GPU:-0}
failed=0
[ -x "$tierway" ] || { echo "no command at $tierway: build it, or name it in TIERWAY"; exit 2; }

# PyTorch brings NVRTC and cuBLAS with it.
for folder in $(python3 - 2>/dev/null <<'P'
import glob, site
for root in [*site.getsitepackages(), site.getusersitepackages()]:
    print(*glob.glob(f"{root}/nvidia/*/lib"), sep="\n")
P
); do LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH

echo "== correct"
if [ -n "$data" ]; then
    # As chosen here (on Hopper wgmma, once its check on this card passed), then by the kernels that run everywhere. Both keep
    # attention in f32; that on tensor cores is checked before it is timed below.
    for kernels in checked mma; do
        for folder in "$data"/engine/*/; do
            TIERWAY_PROMPT_KERNELS=$kernels "$tierway" engine check --device "$device" "$folder" || failed=1
        done
    done
else
    echo "skipped: golden folders without DATA (8 cases)"
fi
[ $failed = 0 ] || { echo "FAILED: no times before the numbers are right"; exit 1; }

echo "== prompts of 2,048 tokens by each kind of kernel: products, and attention plain (simt) and on tensor cores (mma)"
# Opening the GPU compares both kinds of attention on short prompts; the line of attention says how far apart they are here.
for kind in bf16 fp8; do
    "$tierway" engine bench --device "$device" --model "$here/v2-lite.json" --random $kind --kernels --prompt 2048 || failed=1
done

echo "== fast: DeepSeek-V2-Lite's shape, random weights, 1,024 tokens of context, 128 steps"
time_one() {
    printf '%-5s batch %-4s ' "$1" "$2"
    "$tierway" engine bench --device "$device" --model "$here/v2-lite.json" --random "$1" --prompt "$3" --batch "$2" --tokens 128 |
        tail -n +2 | tr '\n' ';' | tr -s ' '
    echo
}
for kind in bf16 fp8; do
    for batch in 1 32 128; do time_one $kind $batch 1024 || failed=1; done
    time_one $kind 1 2048 || failed=1
done
echo "goals on one H100: batch 1 300 (bf16) and 450 (fp8), batch 32 1,900, batch 128 6,500, prefill of 2,048 35,000 tok/s"

python3 "$here/peer.py" "$here/v2-lite.json" || true
exit $failed

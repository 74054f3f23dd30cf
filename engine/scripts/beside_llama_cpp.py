"""Times the engine and llama.cpp on the same files with the same threads, in turns.

    python3 -m venv v && v/bin/pip install llama-cpp-python gguf
    v/bin/python engine/scripts/beside_llama_cpp.py target/release/tierway model.gguf [--threads 2] [--rounds 3]

llama-cpp-python is built from source where pip finds no wheel. Where it dies of an illegal instruction on a processor with AMX
(seen with GCC 12), name the instructions instead: CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON
-DGGML_BMI2=ON -DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_BF16=ON".

With --as Q8_0 --as Q4_0 --as BF16 a file's matrices are rewritten in those formats first (into --folder), so that one small
model serves for all. What is timed: reading a prompt of 512 tokens, and writing 64 tokens after it, one sequence. Of the
rounds the best of each counts. Peak memory is that of each process, the file mapped in it included.
"""

import argparse
import json
import pathlib
import resource
import subprocess
import sys
import time

PROMPT, TOKENS = 512, 64


def rewritten(source, name, folder):
    """The file with its matrices in another format; everything else as it is."""
    import gguf

    target = pathlib.Path(folder) / f"{pathlib.Path(source).stem.split('.')[0]}.{name}.gguf"
    if target.exists():
        return target
    reader = gguf.GGUFReader(source)
    kind = gguf.GGMLQuantizationType[name]
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        plain = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if len(tensor.shape) < 2:
            writer.add_tensor(tensor.name, plain.astype("float32"))
        else:
            writer.add_tensor(tensor.name, gguf.quants.quantize(plain, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def ours(tierway, file, threads):
    command = [tierway, "engine", "bench", "--model", file, "--threads", str(threads), "--rounds", "1", "--json"]
    command += ["--prompt", str(PROMPT), "--tokens", str(TOKENS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def theirs(file, threads):
    """In a process of its own, so that its peak memory is its own."""
    command = [sys.executable, __file__, "--peer", file, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def peer(file, threads):
    import llama_cpp

    model = llama_cpp.Llama(
        str(file), n_ctx=PROMPT + TOKENS + 8, n_batch=PROMPT, n_ubatch=PROMPT, n_threads=threads,
        n_threads_batch=threads, verbose=False,
    )
    prompt = [1 + (7 * n) % 1000 for n in range(PROMPT)]
    model.eval(prompt[:8])
    model.reset()
    start = time.perf_counter()
    model.eval(prompt)
    read = time.perf_counter() - start
    start = time.perf_counter()
    for n in range(TOKENS):
        model.eval([1 + n])
    written = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"prefill_per_s": PROMPT / read, "decode_per_s": TOKENS / written, "peak_bytes": peak}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tierway", nargs="?")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--as", dest="formats", action="append", default=[])
    parser.add_argument("--folder", default=".")
    parser.add_argument("--peer")
    args = parser.parse_args()
    if args.peer:
        return peer(args.peer, args.threads)
    files = [pathlib.Path(file) for file in args.files]
    files += [rewritten(file, name, args.folder) for name in args.formats for file in args.files]
    print(f"{'file':<44} {'what':<8} {'engine':>10} {'llama.cpp':>10} {'ratio':>6}")
    for file in files:
        rounds = [(ours(args.tierway, file, args.threads), theirs(file, args.threads)) for _ in range(args.rounds)]
        for what, name, best in (("prefill", "prefill_per_s", max), ("decode", "decode_per_s", max), ("peak MB", "peak_bytes", min)):
            engine, llama = (best(side[name] for side in sides) for sides in zip(*rounds))
            scale = 1e6 if what == "peak MB" else 1
            print(f"{file.name:<44} {what:<8} {engine / scale:>10.1f} {llama / scale:>10.1f} {engine / llama:>6.2f}", flush=True)


if __name__ == "__main__":
    main()

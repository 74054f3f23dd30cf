"""Compiles every kernel to machine code with NVRTC and prints each one's registers and spills; needs no GPU.

    python engine/scripts/kernels.py [ARCHITECTURE...]      sm_80 and sm_90a where none is named

Kernels for Hopper's tensor cores are compiled to sm_90a alone, and the compiler must not spill in them or put their products in a
row; where cuobjdump and nvdisasm are here, their machine code must hold wgmma's and TMA's instructions. Kernels for prompts'
attention must not spill either, and must hold the tensor cores' products, fragments from shared memory and copies beside them.

Looks for NVRTC in the Python package nvidia-cuda-nvrtc-cu12, then where the system looks for libraries; for cuobjdump and nvdisasm in
the packages nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm, then on the path.
"""

import ctypes
import glob
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import time

KERNELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernels")
FILES = ["rows.cu", "matmul.cu", "experts.cu", "attention.cu", "sample.cu", "prompts.cu"]
HOPPER = "wgmma.cu"
HEADERS = {"prompts.cu": ["ampere.cuh"], HOPPER: ["hopper.cuh"]}
# What kernels must hold, by file: how their names begin, and instructions. Of HOPPER: products of four warps, copies by the copy
# engine, waits at barriers, moved registers. Of prompts' attention: products, fragments (transposed for values), copies.
INSTRUCTIONS = {
    HOPPER: ("wgmma_", ["HGMMA.64x128x16.F32.BF16", "UTMALDG.2D", "SYNCS.PHASECHK", "USETMAXREG"]),
    "prompts.cu": ("attend_prompt_", ["HMMA.16816.F32.BF16", "LDSM.16.M88.4", "LDSM.16.MT88.4", "LDGSTS.E.BYPASS.128"]),
}
# Registers of a multiprocessor are 65,536: a block of 256 threads fits with 255 each, one of 1,024 with 64.
KERNEL = re.compile(r"Compiling entry function '(\w+)' for")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


def nvrtc():
    """The library, or None."""
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    found = [path for folder in folders for path in glob.glob(f"{folder}/nvidia/cuda_nvrtc/lib/libnvrtc.so.*")]
    for path in [*sorted(found), "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"]:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def read(name):
    with open(os.path.join(KERNELS, name), encoding="utf-8") as file:
        return file.read()


def compile_file(library, name, architecture):
    """The status, the log and the machine code."""
    headers = ["common.cuh", *HEADERS.get(name, [])]
    source = "\n".join(read(part) for part in [*headers, name])
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
    options = [f"--gpu-architecture={architecture}", "--std=c++17", "--ptxas-options=-v"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = library.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    count, code = ctypes.c_size_t(), b""
    if status == 0:
        library.nvrtcGetCUBINSize(program, ctypes.byref(count))
        held = ctypes.create_string_buffer(count.value)
        library.nvrtcGetCUBIN(program, held)
        code = held.raw
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log.value.decode(errors="replace"), code


def kernels_of(log):
    """Name, registers, shared bytes, stack bytes and spilled bytes of each kernel."""
    name, stack, spilled = None, 0, 0
    for line in log.splitlines():
        if found := KERNEL.search(line):
            name, stack, spilled = found[1], 0, 0
        elif found := STACK.search(line):
            stack, spilled = int(found[1]), int(found[2]) + int(found[3])
        elif (found := USED.search(line)) and name:
            yield name, int(found[1]), int(found[2] or 0), stack, spilled
            name = None


def tool(name):
    """The path of a program, or None."""
    folders = [*site.getsitepackages(), site.getusersitepackages()]
    found = [path for folder in folders for path in glob.glob(f"{folder}/nvidia/*/bin/{name}")]
    return found[0] if found else shutil.which(name)


def listing(code):
    """The machine code in words, or None where no tool reads it."""
    dump, disassembler = tool("cuobjdump"), tool("nvdisasm")
    if not dump or not disassembler:
        return None
    path = os.pathsep.join([os.path.dirname(disassembler), os.environ.get("PATH", "")])
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        shown = subprocess.run([dump, "--dump-sass", file.name], capture_output=True, text=True, env={**os.environ, "PATH": path})
    return shown.stdout if shown.returncode == 0 else None


def faults(file, rows, log, code):
    """What is wrong with a file's kernels, and what is in them."""
    begin, instructions = INSTRUCTIONS[file]
    found = [f"{name} spills {spilled} bytes" for name, _, _, stack, spilled in rows if stack or spilled]
    if "serialized" in log:
        found.append("products are put in a row: " + next(line for line in log.splitlines() if "serialized" in line))
    text = listing(code)
    if text is None:
        print(f"  skipped: machine code of {file}, no cuobjdump and nvdisasm here (1 case)")
        return found
    # The listing has a part for each kernel.
    for part in text.split("Function : ")[1:]:
        name = part.split(None, 1)[0]
        counts = {word: part.count(word) for word in instructions}
        if name.startswith(begin):
            print(f"  {name:32} " + ", ".join(f"{count} {word}" for word, count in counts.items()))
            found += [f"{name} has no {word}" for word, count in counts.items() if count == 0]
            found += [f"{name} uses local memory ({word})" for word in ("LDL", "STL") if re.search(rf"\b{word}\b", part)]
    if text.count(f"Function : {begin}") != sum(row[0].startswith(begin) for row in rows):
        found.append("the listing does not show every kernel")
    return found


def main():
    library = nvrtc()
    if library is None:
        print("skipped: kernels to machine code, no NVRTC here: pip install nvidia-cuda-nvrtc-cu12 (13 cases)")
        return 0
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    print(f"NVRTC {major.value}.{minor.value}")
    passed = failed = 0
    for architecture in sys.argv[1:] or ["sm_80", "sm_90a"]:
        for file in [*FILES, HOPPER] if architecture == "sm_90a" else FILES:
            start = time.time()
            status, log, code = compile_file(library, file, architecture)
            rows = list(kernels_of(log))
            if status != 0 or not rows or not code:
                failed += 1
                print(f"FAILED {file} for {architecture}: status {status}, {len(code)} bytes\n{log}")
                continue
            print(f"{file} for {architecture}: {len(code)} bytes, {len(rows)} kernels, {time.time() - start:.1f} s")
            for name, registers, shared, stack, spilled in rows:
                print(f"  {name:32} {registers:4} registers {shared:6} B shared {stack:5} B stack {spilled:5} B spilled")
            wrong = faults(file, rows, log, code) if file in INSTRUCTIONS else []
            for what in wrong:
                print(f"FAILED {file} for {architecture}: {what}")
            failed += bool(wrong)
            passed += not wrong
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

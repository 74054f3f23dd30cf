"""Compiles every kernel to machine code with NVRTC and prints each one's registers and spills; needs no GPU.

    python engine/scripts/kernels.py [ARCHITECTURE...]      sm_80 and sm_90a where none is named

Looks for NVRTC in the Python package nvidia-cuda-nvrtc-cu12, then where the system looks for libraries.
"""

import ctypes
import glob
import os
import re
import site
import sys
import time

KERNELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "kernels")
FILES = ["rows.cu", "matmul.cu", "experts.cu", "attention.cu", "sample.cu"]
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


def compile_file(library, name, architecture):
    """The status, the log and the size of the machine code."""
    with open(os.path.join(KERNELS, "common.cuh"), encoding="utf-8") as common:
        source = common.read()
    with open(os.path.join(KERNELS, name), encoding="utf-8") as file:
        source += "\n" + file.read()
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None)
    options = [f"--gpu-architecture={architecture}", "--std=c++17", "--ptxas-options=-v"]
    array = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
    status = library.nvrtcCompileProgram(program, len(options), array)
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    code = ctypes.c_size_t()
    if status == 0:
        library.nvrtcGetCUBINSize(program, ctypes.byref(code))
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return status, log.value.decode(errors="replace"), code.value


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


def main():
    library = nvrtc()
    if library is None:
        print("skipped: kernels to machine code, no NVRTC here: pip install nvidia-cuda-nvrtc-cu12 (10 cases)")
        return 0
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    print(f"NVRTC {major.value}.{minor.value}")
    passed = failed = 0
    for architecture in sys.argv[1:] or ["sm_80", "sm_90a"]:
        for file in FILES:
            start = time.time()
            status, log, size = compile_file(library, file, architecture)
            rows = list(kernels_of(log))
            if status != 0 or not rows or size == 0:
                failed += 1
                print(f"FAILED {file} for {architecture}: status {status}, {size} bytes\n{log}")
                continue
            passed += 1
            print(f"{file} for {architecture}: {size} bytes, {len(rows)} kernels, {time.time() - start:.1f} s")
            for name, registers, shared, stack, spilled in rows:
                print(f"  {name:32} {registers:4} registers {shared:6} B shared {stack:5} B stack {spilled:5} B spilled")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

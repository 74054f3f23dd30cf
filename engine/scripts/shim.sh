#!/usr/bin/env bash
# shim.sh OUT.so: builds all kernels for a CPU, for tests.
set -euo pipefail
here=$(cd "$(dirname "$0")/../kernels/shim" && pwd)
exec "${CXX:-g++}" -std=c++17 -O2 -fPIC -shared -fno-strict-aliasing -ffp-contract=off -Wall -Wextra -Wno-unknown-pragmas \
    -Wno-unused-function -Wno-psabi -o "$1" "$here/shim.cc"

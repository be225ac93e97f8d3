#!/usr/bin/env bash
# ops/cublas.cu as nvcc built it: every entry found in the real cuBLAS, on the loader's path and beside it, without a card.
# Usage: cublas.sh SCCA_CUBLAS CXX FOLDER; FOLDER is the one of the build's toolkit.
set -euo pipefail
program=$1 cxx=$2 folder=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() {
  printf 'cublas: %s\n' "$*"
  exit 1
}

library=$(basename "$(ls "$folder"/libcublas.so.[0-9]* 2> /dev/null | grep -E 'so\.[0-9]+$' | head -1)")
[ -n "$library" ] || die "no libcublas.so.N in $folder, the toolkit's"

# answers WHAT: every entry is there, and says that it has no device (or, on a GPU's machine, more).
answers() {
  "$program" > "$work/out" 2> "$work/err" || die "$1: $(cat "$work/err")"
  for entry in cublasCreate_v2 cublasSetStream_v2 cublasSetMathMode cublasGemmEx; do
    grep -q "^$entry: ." "$work/out" || die "$1: no answer of $entry"
  done
  grep -q "^cublasGemmEx: the library was not initialized$" "$work/out" || die "$1: $(cat "$work/out")"
}
answers "as it is here"

# What the loader finds first is no library: the folders are searched.
mkdir "$work/broken"
: > "$work/broken/$library"
LD_LIBRARY_PATH=$work/broken answers "found by CMake's path"
mkdir -p "$work/home/lib64"
ln -s "$folder"/libcublas.so.[0-9]* "$folder"/libcublasLt.so.[0-9]* "$work/home/lib64"
LD_DEBUG=files LD_LIBRARY_PATH=$work/broken CUDA_HOME=$work/home "$program" > "$work/out" 2> "$work/err" ||
  die "found by CUDA_HOME: $(tail -1 "$work/err")"
grep -q "$work/home/lib64/$library" "$work/err" || die "CUDA_HOME is set, and was not opened"

# A library without one of the entries is refused by its name, whichever entry is called first.
for missing in cublasGemmEx cublasSetMathMode; do
  mkdir "$work/$missing"
  for entry in cublasCreate_v2 cublasSetStream_v2 cublasSetMathMode cublasGemmEx cublasGetStatusString; do
    [ $entry = $missing ] || echo "extern \"C\" const char* $entry() { return \"none\"; }"
  done > "$work/stub.cpp"
  "$cxx" -shared -fPIC "$work/stub.cpp" -o "$work/$missing/$library"
  if LD_LIBRARY_PATH=$work/$missing "$program" > "$work/out" 2> "$work/err"; then die "a library without $missing passes"; fi
  grep -q "^matmul: libcublas has no $missing; is it NVIDIA's, of version " "$work/err" || die "$missing: $(cat "$work/err")"
done
echo "every entry answers; found on the loader's path, by CMake's path, by CUDA_HOME; a missing entry is named"

#!/usr/bin/env bash
# Builds the program for several CPUs into one folder that may be moved: OUT/scca for the lowest of LEVELS, and beside it
# OUT/scca.LEVEL for the others. OUT/scca starts the best that the CPU runs (train/cli/cpu_build).
# Usage: train/package/portable.sh OUT [CMAKE ARGUMENTS...]     (the libraries are the system's)
# Builds that OUT has from another time are replaced, all of them, once all levels are built.
# LEVELS="x86-64-v2 x86-64-v3 x86-64-v4 x86-64-v4-bf16": which, the lowest first; without it all but x86-64-v2.
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
cd "$(dirname "$0")/../.."
out=${1:?usage: train/package/portable.sh OUT [CMAKE ARGUMENTS...]}
shift
levels=${LEVELS:-x86-64-v3 x86-64-v4 x86-64-v4-bf16}
part=$out/.part
rm -rf "$part"
mkdir -p "$part"
for level in $levels; do
  arch=${level%-bf16} flags=''
  [ "$arch" = "$level" ] || flags=-mavx512bf16
  BUILD=build-$level train/build.sh scca "-DSCCA_ARCH=$arch" "-DCMAKE_CXX_FLAGS=$flags" "$@"
  cp "build-$level/scca" "$part/scca.$level"
done
# scca starts whatever build lies beside it, so none of another time may be left; it comes last, when all of its own are there.
rm -f "$out/scca" "$out"/scca.x86-64-*
mv "$part"/* "$out"
mv "$out/scca.${levels%% *}" "$out/scca"
rmdir "$part"

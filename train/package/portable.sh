#!/usr/bin/env bash
# Builds the program for several CPUs into one folder that may be moved: OUT/scca for the lowest of LEVELS, and beside it
# OUT/scca.LEVEL for the others. OUT/scca starts the best that the CPU runs (train/cli/cpu_build).
# Usage: train/package/portable.sh OUT [CMAKE ARGUMENTS...]     (the libraries are the system's)
# LEVELS="x86-64-v2 x86-64-v3 x86-64-v4 x86-64-v4-bf16": which, the lowest first; without it all but x86-64-v2.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?usage: train/package/portable.sh OUT [CMAKE ARGUMENTS...]}
shift
levels=${LEVELS:-x86-64-v3 x86-64-v4 x86-64-v4-bf16}
mkdir -p "$out"
for level in $levels; do
  arch=${level%-bf16} flags='' name=scca.$level
  [ "$arch" = "$level" ] || flags=-mavx512bf16
  [ "$level" != "${levels%% *}" ] || name=scca
  BUILD=build-$level train/build.sh scca "-DSCCA_ARCH=$arch" "-DCMAKE_CXX_FLAGS=$flags" "$@"
  cp "build-$level/scca" "$out/$name.part"
  mv "$out/$name.part" "$out/$name"
done

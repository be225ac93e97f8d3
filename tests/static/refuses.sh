#!/usr/bin/env bash
# What static/kernels must refuse: each fault that it looks for, seen once. Usage: refuses.sh SCCA_STATIC NVCC
set -euo pipefail
program=$1 nvcc=$2 here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/some.dir"
object="$work/some.dir/refuses.cu.o"
"$here/keep_report.sh" "$nvcc" -std=c++17 -O3 -Xptxas=-v --no-compress -gencode arch=compute_80,code=[sm_80,compute_80] \
  -c "$here/refuses.cu" -o "$object" 2> "$work/stderr"
if grep -q ptxas "$work/stderr"; then
  echo "keep_report.sh let ptxas's report through to the terminal"
  exit 1
fi

head='| kernel | threads | dynamic shared | static shared | stack | registers | blocks per SM | warps per SM | HMMA |'
row() { printf '| `refuses.cu %s` | %s | %s | 0 | 0 | 0 | %s | 0 | %s |\n' "$@"; }
failures=0
# expect STATUS SENTENCE: the table on stdin must give that exit code, and a line with that sentence.
expect() {
  { echo "$head" && cat; } > "$work/table.md"
  local status=0
  "$program" "$work/table.md" "$object" > "$work/found.txt" || status=$?
  if [ $status != "$1" ] || ! grep -qF -- "$2" "$work/found.txt"; then
    echo "expected exit code $1 and '$2'; got $status and:"
    cat "$work/found.txt"
    failures=$((failures + 1))
  fi
}

{ row plain 256 0 8 0; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu spills: sm_80 spills"
{ row plain 256 0 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu shares: not in the table"
{ row plain 256 0 9 0; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu plain: sm_80 runs 8 blocks"
{ row plain 256 0 8 4; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu plain: sm_80 no longer uses tensor cores"
{ row plain 256 0 8 0; row shares 256 0 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu shares: names dyn_smem"
{ row plain '?' 0 8 0; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu plain: the table has '?'"
{ row plain 256 0 8 0; row shares 256 200000 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu shares: sm_80 runs 0 blocks"
{ row plain 256 0 8 0; row gone 256 0 8 0; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 1 "refuses.cu gone: in the table, not in the build"
{ row plain 256 0 8 0; row shares 256 1024 8 0; row spills 2048 0 2 0; } | expect 1 "the table has 2048 threads, its __launch_bounds__ 1024"

# Without the spilling kernel's fault there is none: the same table, ptxas's report without its spills.
sed -i 's/[0-9]* bytes spill stores, [0-9]* bytes spill loads/0 bytes spill stores, 0 bytes spill loads/' "$object.ptxas"
{ row plain 256 0 8 0; row shares 256 1024 8 0; row spills 1024 0 2 0; } | expect 0 "3 kernels for sm_80: no spills"
exit $((failures > 0))

#!/usr/bin/env bash
# The first hour on a GPU: builds for the card that is there, runs every test on it, NVIDIA's checkers over the ops' tests, the
# benches, and PyTorch beside them where it is installed. Needs a driver, the CUDA toolkit (nvcc, cuBLAS) and what
# train/build.sh names; no network. Prints one table; the figures go to results/gpu/CARD.json, everything that was said to
# BUILD/gpu.log.
#   tests/gpu.sh                 all of it
#   tests/gpu.sh --quick         fewer and shorter measurements, no checkers
#   tests/gpu.sh --out FILE      where the figures go
#   tests/gpu.sh --rehearse      every line of this script without a GPU: on the emulator, at tiny sizes, with stand-ins
#                                for nvidia-smi and compute-sanitizer. Its figures mean nothing, and stay out of results/
set -euo pipefail
cd "$(dirname "$0")/.."

rehearse="" quick="" out=""
while [ $# -gt 0 ]; do
  case "$1" in
    --rehearse) rehearse=--rehearse ;;
    --quick) quick=--quick ;;
    --out)
      [ $# -gt 1 ] || { echo "tests/gpu.sh: --out wants a file" >&2; exit 2; }
      out=$2
      shift
      ;;
    *)
      echo "tests/gpu.sh: unknown '$1'; usage: tests/gpu.sh [--quick] [--out FILE] [--rehearse]" >&2
      exit 2
      ;;
  esac
  shift
done
if [ -n "$rehearse" ]; then
  case "$(realpath -m "${out:-.}")" in
    "$PWD"/results | "$PWD"/results/*)
      echo "tests/gpu.sh: --rehearse: figures of a rehearsal don't belong into results/; choose another --out" >&2
      exit 2
      ;;
  esac
fi

stop() {
  echo "tests/gpu.sh: $*" >&2
  exit 1
}
run() {
  printf '+ %s\n' "$*"
  "$@"
}
failed=()
# step NAME COMMAND...: one that fails must not keep the rest of the hour from being used.
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then return; fi
  failed+=("$name")
  echo "FAILED: $name"
}

build=${BUILD:-build-gpu}
scca=$build/scca
tests=$build/scca_tests
targets="scca scca_tests scca_static"
chosen=() # of the tests: all
ops='*tests/ops/*'
seconds=1200 # that a checker may take
torch_device=cuda
stand_ins=""
if [ -n "$rehearse" ]; then
  build=${BUILD:-build}
  scca=$build/scca_emulated
  tests=$build/scca_tests_emulated
  targets="scca_emulated scca_tests_emulated scca_static"
  chosen=(-R '^(plain/ops/rope|plain/ladder/ladder|static/kernels)$')
  ops='*tests/ops/rope_test*'
  torch_device=cpu
  stand_ins=$(mktemp -d)
  printf '#!/bin/sh\necho "Rehearsal, 8.0, none, 0 MiB"\n' > "$stand_ins/nvidia-smi"
  printf '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\nexec "$@"\n' > "$stand_ins/compute-sanitizer"
  chmod +x "$stand_ins"/*
  PATH=$stand_ins:$PATH
  archs="80;90;100" # as the build of tests/run.sh has them, so that nothing is compiled for this
fi
mkdir -p "$build"
exec > >(tee "$build/gpu.log") 2>&1
log_writer=$!
leave() {
  rm -rf "$stand_ins"
  exec >&- 2>&-
  wait "$log_writer" || true # for the log's last lines
}
trap leave EXIT

export CUDA_DEVICE_ORDER=PCI_BUS_ID # as nvidia-smi counts
card=${CUDA_VISIBLE_DEVICES:-0}
card=${card%%,*}
command -v nvidia-smi > /dev/null || stop "no nvidia-smi: there is no NVIDIA driver here. Install it, or try --rehearse"
line=$(nvidia-smi -i "$card" --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader) ||
  stop "nvidia-smi finds no card $card: $line"
IFS=, read -r name capability driver memory <<< "$line"
capability=${capability// /}
[[ "$capability" =~ ^[0-9]+\.[0-9]+$ ]] || stop "nvidia-smi says compute capability '$capability' of card $card; expected a number like 9.0"
[ "${capability%.*}" -ge 8 ] || stop "$name has compute capability $capability; 8.0 or above is needed (bf16 tensor cores)"
export PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
command -v nvcc > /dev/null || stop "no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda: install the CUDA toolkit, 12 or newer"
archs=${archs:-${capability/./}}
echo "$name, compute capability $capability, driver$driver,$memory; $(nvcc --version | sed -n 's/.*release \([^,]*\),.*/nvcc \1/p')"
[ -n "$rehearse" ] && echo "REHEARSAL: an emulator, tiny sizes; no figure below means anything"

test_all() {
  local log=$build/Testing/Temporary/LastTest.log
  run env OMP_WAIT_POLICY=passive ctest --test-dir "$build" --output-on-failure "${chosen[@]}" || return 1
  if grep "^skipped for want of a device" "$log"; then
    echo "these tests ran without the card, which was to be tested; does $scca info name it?"
    return 1
  fi
}

# Fresh memory is filled with NaN in the tests, which initcheck would take for written.
check_with() {
  run env SCCA_TESTS_WITHOUT_NAN=1 OMP_WAIT_POLICY=passive timeout "$seconds" \
    compute-sanitizer --tool "$1" --error-exitcode 9 --print-limit 20 "$tests" --no-intro --source-file="$ops" && return
  local status=$?
  [ $status != 124 ] || echo "$1 was not done after $seconds seconds"
  return 1
}

# The table is on stderr; what could not be measured is in it, and makes this fail at the end.
bench() {
  local status=0
  printf '+ %s\n' "$scca bench --device cuda --json $quick $rehearse > $out"
  mkdir -p "$(dirname "$out")"
  "$scca" bench --device cuda --json $quick $rehearse > "$out.tmp" || status=$?
  if [ ! -s "$out.tmp" ]; then
    rm -f "$out.tmp"
    return 1
  fi
  mv "$out.tmp" "$out"
  return $status
}

compare_with_torch() {
  run python3 tests/bench/compare_torch.py --scca "$scca" --json "$out" --device "$torch_device" \
    --budget "$([ -n "$quick$rehearse" ] && echo 0 || echo 0.5)"
}

if [ -z "$out" ]; then
  out=results/gpu/$(tr -c 'A-Za-z0-9._\n' - <<< "$name").json
  [ -z "$rehearse" ] || out=$build/rehearsal.json
fi
emulator=$([ -n "$rehearse" ] && echo ON || echo OFF)
printf '\n== build\n'
BUILD=$build OFFLINE=1 run train/build.sh "$targets" -DSCCA_WERROR=ON -DSCCA_CUDA=ON "-DSCCA_CUDA_ARCHS=$archs" \
  "-DSCCA_EMULATOR=$emulator" || stop "the build failed; what is above says where"
run "$scca" info || stop "$scca does not start"

step "tests on the card" test_all
if [ -n "$quick" ]; then
  echo "--quick: no compute-sanitizer"
elif command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck initcheck; do step "$tool" check_with $tool; done
else
  echo "no compute-sanitizer on the PATH: memory, races and initialisation are not checked on the card"
fi
step "bench" bench
if ! python3 -c "import torch" 2> /dev/null; then
  echo "PyTorch is not installed for python3: no comparison"
elif [ -f "$out" ]; then
  step "comparison with PyTorch" compare_with_torch
fi

printf '\n'
[ ! -f "$out" ] || echo "figures: $out"
echo "all that was said: $build/gpu.log"
[ ${#failed[@]} = 0 ] || stop "failed: $(printf '%s; ' "${failed[@]}")"
echo "all done on $name"

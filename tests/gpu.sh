#!/usr/bin/env bash
# The first hour on a GPU, its most useful minutes first: builds for the card that is there, tries each op, measures at once, then
# runs every test, the whole bench, PyTorch beside it where that is installed, and NVIDIA's checkers. Needs a driver, the CUDA toolkit (nvcc,
# cuBLAS) and what train/build.sh names; no network. No part that fails, hangs or has no time left stops the next one. Each leaves a
# JSON file, whole, as it ends: in results/gpu/CARD/, with summary.json; everything that was said is in BUILD/gpu.log.
#   tests/gpu.sh                 all of it
#   tests/gpu.sh --minutes 10    what fits into ten minutes, by value; each part ends when they are over
#   tests/gpu.sh --out FOLDER    where the JSON files go
#   tests/gpu.sh --rehearse      every line of this script without a GPU: on the emulator, at tiny sizes, with stand-ins
#                                for nvidia-smi and compute-sanitizer. Its figures mean nothing, and stay out of results/
set -euo pipefail
cd "$(dirname "$0")/.."

rehearse="" out="" minutes=""
usage="usage: tests/gpu.sh [--minutes N] [--out FOLDER] [--rehearse]"
while [ $# -gt 0 ]; do
  case "$1" in
    --rehearse) rehearse=--rehearse ;;
    --minutes | --out)
      [ $# -gt 1 ] || { echo "tests/gpu.sh: $1 wants a value; $usage" >&2; exit 2; }
      if [ "$1" = --out ]; then out=$2; else minutes=$2; fi
      shift
      ;;
    *)
      echo "tests/gpu.sh: unknown '$1'; $usage" >&2
      exit 2
      ;;
  esac
  shift
done
if [ -n "$minutes" ] && ! [[ "$minutes" =~ ^[0-9]+$ ]]; then
  echo "tests/gpu.sh: --minutes $minutes: expected a whole number" >&2
  exit 2
fi
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
  printf '+ %s\n' "$*" >&2
  "$@"
}

build=${BUILD:-build-gpu}
scca=$build/scca
tests=$build/scca_tests
targets="scca scca_tests scca_static scca_cublas"
chosen=() # of the tests: all
ops='*tests/ops/*'
torch_device=cuda
stand_ins=""
if [ -n "$rehearse" ]; then
  build=${BUILD:-build}
  scca=$build/scca_emulated
  tests=$build/scca_tests_emulated
  targets="scca_emulated scca_tests_emulated scca_static scca_cublas"
  chosen=(-R '^(plain/ops/rope|plain/ladder/ladder|static/kernels)$')
  ops='*tests/ops/rope_test*'
  torch_device=cpu
  stand_ins=$(mktemp -d)
  printf '#!/bin/sh\necho "Rehearsal, 8.0, none, 0 MiB"\n' > "$stand_ins/nvidia-smi"
  printf '#!/bin/sh\nwhile [ "${1#--}" != "$1" ]; do shift 2; done\nexec "$@"\n' > "$stand_ins/compute-sanitizer"
  chmod +x "$stand_ins"/*
  PATH=$stand_ins:$PATH
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
IFS=, read -r card_name capability driver memory <<< "$line"
capability=${capability// /}
[[ "$capability" =~ ^[0-9]+\.[0-9]+$ ]] || stop "nvidia-smi says compute capability '$capability' of card $card; expected a number like 9.0"
[ "${capability%.*}" -ge 8 ] || stop "$card_name has compute capability $capability; 8.0 or above is needed (bf16 tensor cores)"
export PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
command -v nvcc > /dev/null || stop "no nvcc on the PATH, in CUDA_HOME or in /usr/local/cuda: install the CUDA toolkit, 12 or newer"
# The newest that nvcc knows of those the card can run: its PTX runs on a card that is newer than this nvcc.
arch=$(nvcc --list-gpu-arch | awk -v card="${capability/./}" -F_ '$2 + 0 <= card && $2 + 0 > best { best = $2 + 0 } END { print best }')
echo "$card_name, compute capability $capability, driver$driver,$memory; $(nvcc --version | sed -n 's/.*release \([^,]*\),.*/nvcc \1/p')"
[ -z "$rehearse" ] || echo "REHEARSAL: an emulator, tiny sizes; no figure below means anything"
if [ -z "$out" ]; then
  out=results/gpu/$(tr -c 'A-Za-z0-9._\n' - <<< "$card_name")
  [ -z "$rehearse" ] || out=$build/rehearsal
fi
mkdir -p "$out"

# ---- parts: each in its own time, each with its JSON ----

begun=$SECONDS
seconds_left() { echo $((minutes * 60 - SECONDS + begun)); }
parts=() states=() times=() # what the summary says
text() { printf '"%s"' "$(sed 's/["\\]/ /g' <<< "$1")"; } # as JSON

# whole FILE: stdin, moved there when all of it is there.
whole() { cat > "$1.tmp" && mv "$1.tmp" "$1"; }

summarise() {
  {
    printf '{"card": %s, "rehearsal": %s, "parts": [' "$(text "$card_name")" "$([ -n "$rehearse" ] && echo true || echo false)"
    for i in "${!parts[@]}"; do
      [ "$i" = 0 ] || printf ', '
      printf '{"part": %s, "state": %s, "seconds": %s}' "$(text "${parts[i]}")" "$(text "${states[i]}")" "${times[i]}"
    done
    echo "]}"
  } | whole "$out/summary.json"
}
note() {
  parts+=("$1") states+=("$2") times+=("$3")
  summarise
}

# part NAME LEAST MOST COMMAND...: runs the function where LEAST seconds (a guess: no card has told) are left, and lets its programs run
# for MOST seconds (`limit`) or as long as there is time.
part() {
  local name=$1 least=$2 before=$SECONDS state=passed
  limit=$3
  shift 3
  printf '\n== %s\n' "$name"
  if [ -n "$minutes" ]; then
    local left
    left=$(seconds_left)
    if [ "$left" -lt "$least" ]; then
      echo "not reached: $left seconds are left of $minutes minutes, and this may take $least"
      note "$name" "not reached" 0
      return
    fi
    [ "$limit" -lt "$left" ] || limit=$left
  fi
  "$@" || { [ $? = 124 ] && state="out of time" || state=failed; }
  [ "$state" = passed ] || echo "$state: $name"
  note "$name" "$state" $((SECONDS - before))
}

# limited COMMAND...: says so where it is stopped.
limited() {
  local status=0
  run timeout -k 10 "$limit" "$@" || status=$?
  [ $status != 137 ] || status=124 # it had to be killed
  [ $status != 124 ] || echo "stopped after $limit seconds" >&2
  return $status
}

# The first test case of each op's test, which holds it to the CPU in f32 and bf16: a wrong kernel shows in a minute.
smoke() {
  local status=0 rows=() op file begin
  for file in tests/ops/*_test.cpp; do
    grep -qE 'check_op\(|other_devices\(|all_devices\(' "$file" || continue
    op=$(basename "$file" _test.cpp)
    begin=$SECONDS
    local state=passed
    OMP_WAIT_POLICY=passive timeout -k 5 30 "$tests" --no-intro --source-file="*$file" --last=1 > "$build/smoke.log" 2>&1 || state=failed
    if grep "^skipped for want of a device" "$build/smoke.log"; then state=failed; fi
    if [ $state = failed ]; then
      status=1
      tail -20 "$build/smoke.log"
    fi
    echo "$op: $state"
    rows+=("{\"op\": $(text "$op"), \"state\": \"$state\", \"seconds\": $((SECONDS - begin))}")
  done
  echo "{\"ops\": [$(IFS=, && echo "${rows[*]}")]}" | whole "$out/smoke.json"
  return $status
}

# The table is on stderr; what could not be measured is in it, and makes this fail at the end.
bench() { # NAME [--quick]
  local status=0 file=$out/$1.json
  limited "$scca" bench --device cuda --json ${2:-} $rehearse > "$file.tmp" || status=$?
  if [ -f "$file.tmp" ] && [ -s "$file.tmp" ]; then mv "$file.tmp" "$file"; else rm -rf "$file.tmp"; fi
  return $status
}

test_all() {
  local log=$build/Testing/Temporary/LastTest.log status=0
  OMP_WAIT_POLICY=passive limited ctest --test-dir "$build" --timeout 600 --output-on-failure "${chosen[@]}" | tee "$build/tests.log" || status=$?
  awk 'BEGIN { printf "{\"tests\": [" }
       /^ *[0-9]+\/[0-9]+ Test +#/ {
         state = /   Passed / ? "passed" : /Not Run|Skipped/ ? "not run" : "failed"
         sub(/^.*#[0-9]+: /, ""); name = $1; sub(/ sec.*/, ""); n = split($0, words, " ")
         printf "%s{\"test\": \"%s\", \"state\": \"%s\", \"seconds\": %s}", found++ ? ", " : "", name, state, words[n] + 0
       }
       END { print "]}" }' "$build/tests.log" | whole "$out/tests.json"
  [ $status = 0 ] || return $status
  if grep "^skipped for want of a device" "$log"; then
    echo "these tests ran without the card, which was to be tested; does $scca info name it?"
    return 1
  fi
}

# Fresh memory is filled with NaN in the tests, which initcheck would take for written.
check_with() {
  local status=0
  SCCA_TESTS_WITHOUT_NAN=1 OMP_WAIT_POLICY=passive limited compute-sanitizer --tool "$1" --error-exitcode 9 \
    --print-limit 20 "$tests" --no-intro --source-file="$ops" > "$build/$1.log" 2>&1 || status=$?
  tail -40 "$build/$1.log"
  { printf '{"tool": "%s", "exit_code": %s, "last_line": %s}\n' "$1" $status "$(text "$(tail -1 "$build/$1.log")")"; } | whole "$out/$1.json"
  return $status
}

compare_with_torch() {
  limited python3 tests/bench/compare_torch.py --scca "$scca" --json "$out/bench.json" --device "$torch_device" \
    --budget "$([ -n "$rehearse" ] && echo 0 || echo 0.5)"
}

printf '\n== build\n'
settings=(-DSCCA_WERROR=OFF -DSCCA_CUDA=ON "-DSCCA_CUDA_ARCHS=$arch" -DSCCA_EMULATOR=OFF)
if [ -n "$rehearse" ]; then # the build that is there, with its own settings: nothing is compiled anew for this
  settings=()
  [ -f "$build/build.ninja" ] || settings=(-DSCCA_CUDA=ON)
fi
before=$SECONDS
BUILD=$build OFFLINE=1 run train/build.sh "$targets" "${settings[@]}" || stop "the build failed; what is above says where"
note build passed $((SECONDS - before))
run "$scca" info || echo "$scca info fails: the card does not answer"

part smoke 30 600 smoke
part "quick bench" 60 600 bench bench-quick --quick
part tests 240 3600 test_all
part bench 300 1800 bench bench
if ! python3 -c "import torch" 2> /dev/null; then
  echo "PyTorch is not installed for python3: no comparison"
elif [ -f "$out/bench.json" ]; then
  part "comparison with PyTorch" 120 1200 compare_with_torch
fi
if command -v compute-sanitizer > /dev/null; then
  for tool in memcheck racecheck initcheck; do part $tool 300 1200 check_with $tool; done
else
  echo "no compute-sanitizer on the PATH: memory, races and initialisation are not checked on the card"
fi

printf '\n== summary: %s\n' "$card_name"
failed=0
for i in "${!parts[@]}"; do
  printf '%-26s %-12s %5s s\n' "${parts[i]}" "${states[i]}" "${times[i]}"
  case "${states[i]}" in
    passed | "not reached") ;;
    "out of time") [ -n "$minutes" ] || failed=$((failed + 1)) ;; # without --minutes it hung
    *) failed=$((failed + 1)) ;;
  esac
done
echo "figures: $out; all that was said: $build/gpu.log"
[ $failed = 0 ] || stop "$failed of ${#parts[@]} parts failed"

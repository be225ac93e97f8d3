#!/usr/bin/env bash
# Feeds random and mutated files to everything that reads a stranger's bytes, under ASan and UBSan (libFuzzer).
#   tests/fuzz.sh MINUTES [TARGET...]     so long on each target (default: all of tests/fuzz), two at a time
#   RUNS=10000000 tests/fuzz.sh 60        at most so many inputs each
# What it finds is kept as build-fuzz/found/TARGET/crash-*; what reaches new code as build-fuzz/corpus/TARGET, from which
# the next call goes on. Exit code 1 when something was found.
set -euo pipefail
cd "$(dirname "$0")/.."
usage="usage: tests/fuzz.sh MINUTES [TARGET...]"
minutes=${1:-}
[[ $minutes =~ ^[0-9]+([.][0-9]+)?$ ]] || { echo "tests/fuzz.sh: '$minutes' is no number of minutes; $usage" >&2; exit 2; }
shift
build=build-fuzz
root=$PWD

all=""
for source in tests/fuzz/*_fuzz.cpp; do all="$all $(basename "$source" _fuzz.cpp)"; done
targets=${*:-$all}
for target in $targets; do
  [ -f "tests/fuzz/${target}_fuzz.cpp" ] || { echo "tests/fuzz.sh: there is no target '$target'; there are:$all" >&2; exit 2; }
done

# Clang brings libFuzzer. g++ builds the rest of the project; nothing else needs Clang.
packages="clang libclang-rt-dev libomp-dev"
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="${missing:-} $package"
done
if [ -n "${missing:-}" ]; then
  become=""
  [ "$(id -u)" = 0 ] || become=sudo
  $become apt-get update -qq
  $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi
CC=clang CXX=clang++ BUILD=$build train/build.sh scca_fuzz -DSCCA_CUDA=OFF -DSCCA_TESTS=OFF -DSCCA_FUZZ=ON \
  -DSCCA_SANITIZE=address,undefined,fuzzer-no-link

[ ! -d /dev/shm ] || export TMPDIR=${TMPDIR:-/dev/shm}  # the adapter's target writes two files an input
seconds=$(awk "BEGIN { print int($minutes * 60) }")
export OMP_NUM_THREADS=1 UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1

# One target to its end; its own folder, since libFuzzer leaves files where it stands.
fuzz() {
  local target=$1 found="$root/$build/found/$1" corpus="$root/$build/corpus/$1"
  mkdir -p "$found" "$corpus"
  cd "$found"
  "$root/$build/scca_fuzz" "--target=$target" "$corpus" "$root/tests/fuzz/corpus/$target" -artifact_prefix="$found/" \
    -max_total_time="$seconds" -runs="${RUNS:--1}" -max_len=16384 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    >"$found/log" 2>&1
}

running=0
for target in $targets; do
  if [ $running -ge "$(nproc)" ]; then
    wait -n || true
    running=$((running - 1))
  fi
  echo "fuzzing $target"
  fuzz "$target" &
  running=$((running + 1))
done
while wait -n 2>/dev/null || [ $? != 127 ]; do :; done

printf '\n%-12s %12s %10s   %s\n' target inputs a-second result
failed=0
for target in $targets; do
  log=$build/found/$target/log
  inputs=$(awk '/number_of_executed_units/ { print $2 }' "$log")
  rate=$(awk '/average_exec_per_sec/ { print $2 }' "$log")
  result=clean
  if grep -qE 'ERROR: |SUMMARY: |runtime error|Broken' "$log" || [ -z "$inputs" ]; then
    result="$(grep -m 1 -E 'SUMMARY: |runtime error|Broken' "$log" || echo "ended early"); see $log"
    failed=1
  fi
  printf '%-12s %12s %10s   %s\n' "$target" "${inputs:-?}" "${rate:-?}" "$result"
done
exit $failed

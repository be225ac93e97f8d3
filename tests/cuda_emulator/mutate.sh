#!/usr/bin/env bash
# mutate.sh DIR: takes one barrier or wait out of the kernels at a time; the tests of the variant `check` must notice
# each. DIR holds scca_tests_emulated, which lists the places (it is the faster), and scca_tests_emulated_check. No
# rebuild: the emulator skips a place that CUEMU_SKIP_SYNC names. Exits with 1 where one is not missed.
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=passive
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Which places each test file comes by; the fastest files first.
for file in ops/*_test.cpp ladder/*_test.cpp; do
  places=$scratch/$(basename "$file" _test.cpp).places
  start=$(date +%s%N)
  if ! CUEMU_LIST_SYNCS=$places "$build"/scca_tests_emulated --source-file="*tests/$file" --no-intro > "$scratch/log" 2>&1; then
    echo "$file fails as it is:"
    tail -20 "$scratch/log"
    exit 1
  fi
  if [ -f "$places" ]; then echo "$(($(date +%s%N) - start)) $file $places" >> "$scratch/files"; fi
done
sort -n "$scratch/files" -o "$scratch/files"

run_without() {  # in braces, so that bash's own "Aborted" goes nowhere
  {
    CUEMU_SKIP_SYNC=$1 timeout 600 "$build"/scca_tests_emulated_check --source-file="*tests/$2" --abort-after=1 \
      --no-intro > "$scratch/log" 2>&1
  } 2> /dev/null
}

survivors=0
while read -r place kind; do
  verdict="SURVIVES"
  while read -r _ file places; do
    grep -qxF "$place $kind" "$places" || continue
    if ! run_without "$place" "$file"; then
      found=$(grep -m 1 "^CUDA emulator: " "$scratch/log" | sed 's/^CUDA emulator: //' || true)
      verdict="$file: ${found:-wrong results}"
      break
    fi
  done < "$scratch/files"
  if [ "$verdict" = SURVIVES ]; then survivors=$((survivors + 1)); fi
  printf '%-34s %-22s %s\n' "$place" "$kind" "$verdict"
done < <(cat "$scratch"/*.places | sort -u)
echo "$(cat "$scratch"/*.places | sort -u | wc -l) places, $survivors without which the tests still pass"
[ "$survivors" = 0 ]

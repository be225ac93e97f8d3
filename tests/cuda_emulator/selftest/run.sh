#!/usr/bin/env bash
# run.sh DIR: the programs of DIR/cuemu_selftest_VARIANT must each do what is expected of it, in the variants named,
# with the threads in order, in reverse and shuffled.
set -uo pipefail
cd "$1"
failures=0 runs=0
while IFS='|' read -r name variants expected; do
  for variant in $variants; do
    for seed in 0 1 2; do
      runs=$((runs + 1))
      # 124: it hangs; the message of a broken one is the last line, and only a good one ends with success
      output=$(CUEMU_SEED=$seed timeout 60 ./cuemu_selftest_"$variant" "$name" 2>&1)
      code=$?
      wanted=$([ "$expected" = ok ] && echo 0 || echo 1)
      if ! grep -qF -- "$expected" <<< "$output" || [ $((code != 0)) != "$wanted" ] || [ $code = 124 ]; then
        printf '%s, %s, seed %s: exit %s, expected "%s", found "%s"\n' "$name" "$variant" "$seed" "$code" "$expected" "$output"
        failures=$((failures + 1))
      fi
    done
  done
done < <(./cuemu_selftest_plain --list)
echo "$runs runs, $failures not as expected"
[ "$runs" -gt 0 ] && [ "$failures" = 0 ]

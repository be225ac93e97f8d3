#!/usr/bin/env bash
# Short documents in long rows: what they cost when they see each other, and when they do not (--pack documents). The paragraphs
# of the demo's books are the documents, the demo's model is the base; full attention and SCCA, the same rows, the same steps.
#   train/examples/packed.sh [OUT]       results: OUT, default runs/packed; under a minute on 2 cores
#   CONTEXT=2048 STEPS=12                tokens of a row, and how long to train
#   SCCA=build/scca                      a program that is built already
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
[[ ${SCCA:-} != */* || $SCCA == /* ]] || SCCA=$PWD/$SCCA  # a bare name is one of PATH
cd "$(dirname "$0")/../.."

out=${1:-runs/packed}
context=${CONTEXT:-2048}
steps=${STEPS:-12}
scca=${SCCA:-}
if [ -z "$scca" ]; then
  train/build.sh scca
  scca=build/scca
fi
mkdir -p "$out"

# A paragraph a line; what would have to be escaped in JSON becomes a blank.
documents=$out/paragraphs.jsonl
cat train/demo/books/finetune/*.txt | LC_ALL=C awk -v RS='' '
  { gsub(/[^A-Za-z0-9 ,.;:!?-]+/, " "); if (length > 150 && length < 2500) print "{\"text\": \"" $0 "\"}" }' >"$documents"

# With --resume a run that is done stays as it is, a stopped one goes on, and one of other settings is refused.
for attention in full scca-fixed; do
  for pack in rows documents; do
    run=$out/$attention-$pack
    "$scca" finetune --model train/demo/base --data "$documents" --out "$run" --context "$context" \
      --attention "$attention" --pack "$pack" --steps "$steps" --warmup 2 --lr 1e-3 --checkpointing off --resume
  done
done

printf '\n%s documents, rows of %s tokens\n%-12s %-10s %8s %10s\n' "$(grep -c '' "$documents")" "$context" attention pack loss tokens/s
for attention in full scca-fixed; do
  for pack in rows documents; do
    # The last loss; the speed of the middle step.
    grep -o '"tokens_per_s": *[0-9.]*' "$out/$attention-$pack/metrics.jsonl" | grep -o '[0-9.]*$' | sort -n >"$out/part.txt"
    speed=$(sed -n "$(($(grep -c '' "$out/part.txt") / 2 + 1))p" "$out/part.txt")
    loss=$(tail -n 1 "$out/$attention-$pack/metrics.jsonl" | grep -o '"loss": *[0-9.]*' | grep -o '[0-9.]*$')
    printf '%-12s %-10s %8.3f %10.0f\n' "$attention" "$pack" "$loss" "$speed"
  done
done
rm -f "$out/part.txt"

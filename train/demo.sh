#!/usr/bin/env bash
# The main job, end to end on a CPU: extend a small LLaMA's context from 512 to 2048 tokens, once for each attention
# pattern, on real books, and compare. Installs what is missing and builds first. Results: runs/demo.
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${OUT:-/} == /* ]] || OUT=$PWD/$OUT
cd "$(dirname "$0")/.."

out=${OUT:-runs/demo}
base=train/demo/base
books=train/demo/books
context=2048
steps=${STEPS:-36}
patterns=${PATTERNS:-full,local,s2,scca-fixed}

run() {
  printf '+ %s\n' "$*"
  "$@"
}

run train/build.sh scca
scca=build/scca
run $scca study --model $base --data $books/finetune --eval-data $books/evaluation --out "$out" --context $context \
  --rope linear --patterns "$patterns" --seeds 1 --steps "$steps" --batch 2 --lr 1e-3 --warmup 5 --checkpointing off \
  --lengths 256,512,1024,2048 --eval-tokens 32768 --passkey-trials 0 --resume

head -c 1200 $books/evaluation/turn-about-eleanor_28444_excerpt.txt > "$out/page.txt"
last=$(ls -d "$out"/*/seed-1 | tail -n 1)
printf '+ the last row continues a page of a book\n'
run $scca generate --model $base --adapter "$last/adapter" --prompt-file "$out/page.txt" --max-tokens 120 --seed 1 |
  tee "$out/continuation.txt"

cat <<END

Results lie in $out:
  study.html study.md pictures/   everything above, to read; the page needs no other file
  ROW/                            evaluations of each row; of a trained one seed-1/ with config.json metrics.jsonl loss.png adapter/
  continuation.txt                a page of a book, continued
END

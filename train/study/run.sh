#!/usr/bin/env bash
# The study on the demo's model, twice: 512 -> 2048 and 512 -> 4096 tokens, nine patterns, three seeds.
# Usage: train/study/run.sh [OUT]   (an hour and a half on 2 cores; a stopped one goes on where it was)
# CONTEXTS="2048" does one of them; SEEDS=1 a first look, which SEEDS=3 then completes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-runs/study}
contexts=${CONTEXTS:-2048 4096}
seeds=${SEEDS:-3}
scca=build/scca
books=train/demo/books

run() {
  printf '+ %s\n' "$*"
  "$@"
}

run train/build.sh scca
train/study/base.sh "$out/base"
for context in $contexts; do
  # A model retrieves at a length whose prompts it has met: half of the tokens are passkey text.
  keys=$out/passkey_$context.jsonl
  [ -s "$keys" ] || run $scca prompts passkey --model train/demo/base --min-tokens 128 --max-tokens $((context * 7 / 8)) \
    --count $((1200000 / context)) --seed 21 --out "$keys"
  run $scca study --model "$out/base/far/model" --data $books/finetune "$keys" --eval-data $books/evaluation \
    --out "$out/$context" --context "$context" --rope yarn --seeds "$seeds" --resume \
    --patterns full,local,window,s2,scca-fixed,scca-flow,sda,longmixed,dilated \
    --steps 40 --batch $((4096 / context)) --lr 1e-3 --warmup 5 --checkpointing off \
    --eval-tokens 16384 --passkey-trials 2 --recall-passages 2
done

#!/usr/bin/env bash
# Two studies on the demo's model, from 512 tokens:
#   perplexity  the demo's base to 2048 and to 4096, on books, positions interpolated linearly; nine patterns
#   retrieval   a base that was taught to look back (base.sh) to 4096, books and passkeys, by YaRN; five patterns
# Usage: train/demo/study/run.sh [OUT]   (about an hour and a quarter on 2 cores; a stopped one goes on where it was)
# STUDIES="2048 4096" leaves the second out; SEEDS=1 is a first look, which SEEDS=3 then completes.
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
cd "$(dirname "$0")/../../.."
out=${1:-runs/study}
studies=${STUDIES:-2048 4096 retrieval}
seeds=${SEEDS:-3}
scca=build/scca
books=train/demo/books

run() {
  printf '+ %s\n' "$*"
  "$@"
}
# study NAME CONTEXT, then the flags that differ.
study() {
  local name=$1 context=$2
  shift 2
  run $scca study --out "$out/$name" --context "$context" --eval-data $books/evaluation --eval-tokens 16384 --resume \
    --batch $((4096 / context)) --lr 1e-3 --warmup 5 --checkpointing off "$@"
}

run train/build.sh scca
for name in $studies; do
  if [ "$name" = retrieval ]; then
    train/demo/study/base.sh "$out/base"
    # A model retrieves at lengths whose prompts it has met: two thirds of the tokens are passkey text.
    keys=$out/passkeys.jsonl
    [ -s "$keys" ] || run $scca prompts passkey --model train/demo/base --min-tokens 128 --max-tokens 3584 --count 700 \
      --seed 21 --out "$keys"
    study retrieval 4096 --model "$out/base/far/model" --rope yarn --data $books/finetune "$keys" --steps 80 --seeds 1 \
      --patterns full,s2,scca-fixed,scca-flow,longmixed --passkey-trials 4 --recall-passages 2
    # What three times the steps add.
    run $scca finetune --model "$out/base/far/model" --rope yarn --data $books/finetune "$keys" --out "$out/longer" --context 4096 \
      --attention full --batch 1 --steps 240 --lr 1e-3 --warmup 5 --checkpointing off --seed 1 --resume
    run $scca eval passkey --model "$out/base/far/model" --adapter "$out/longer/adapter" --lengths 512,1024,2048,4096 --trials 4 \
      --png "$out/passkey-longer.png"
  else
    study "$name" "$name" --model train/demo/base --rope linear --data $books/finetune --steps 30 --seeds "$seeds" \
      --patterns full,local,window,s2,scca-fixed,scca-flow,sda,longmixed,dilated --passkey-trials 0 --recall-passages 2
  fi
done

#!/usr/bin/env bash
# What should I run? The ways to a longer context that a user has, on the demo's model from 512 to 2048 tokens: nothing
# trained; full attention on long rows or on short rows with skipped positions (PoSE); sparse patterns, with sinks, with
# some layers full, with a window that grows; positions interpolated linearly, by YaRN, or not at all. Every training
# has the same tokens, and each is judged under full attention and under what it was trained with.
# Usage: train/demo/study/rivals.sh [OUT]   (about ten minutes on 2 cores; a stopped one goes on where it was)
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
cd "$(dirname "$0")/../../.."
out=${1:-runs/rivals}
steps=${STEPS:-30}
scca=build/scca
books=train/demo/books
base=train/demo/base
mkdir -p "$out"

run() {
  printf '+ %s\n' "$*" >&2 # what a command prints goes into a file
  "$@"
}
source train/examples/once.sh
# judge NAME USE OF, then the model's flags: the perplexity at 2048, by the attention that it is used with.
judge() {
  once "$out/$1/under/$2.json" "$3" $scca eval --model $base "${@:4}" --attention "$2" --data "$out/text" --context 2048 --json
}
# trained NAME OWN, then what differs: OWN is the attention that it is judged with beside full.
trained() {
  local name=$1 own=$2
  shift 2
  run $scca finetune --model $base --data $books/finetune --out "$out/$name" --steps "$steps" --warmup 5 --lr 1e-3 --seed 1 \
    --checkpointing off --resume "$@"
  local trained
  trained=$(of "$out/$name/adapter")
  judge "$name" full "$trained" --adapter "$out/$name/adapter"
  [ "$own" = full ] || judge "$name" "$own" "$trained" --adapter "$out/$name/adapter"
}
long="--context 2048 --batch 2"

run train/build.sh scca
[ -d "$out/text" ] || run train/demo/study/excerpts.sh "$out/text" 35 $books/evaluation/*.txt
judge untrained full none
judge untrained "window(chunk=512)" none
for rope in linear ntk dynamic yarn; do judge "untrained-$rope" full none --rope $rope --rope-factor 4; done
for rope in linear yarn; do
  trained "full-$rope" full $long --rope $rope --attention full
  trained "pose-$rope" full --context 512 --batch 8 --positions pose --target-context 2048 --rope $rope
  trained "scca-fixed-$rope" scca-fixed $long --rope $rope --attention scca-fixed
  trained "s2-$rope" s2 $long --rope $rope --attention s2
done
trained some-full-yarn "full@0,4;scca-fixed" $long --rope yarn --attention "full@0,4;scca-fixed"
trained sinks-yarn "scca-fixed(sinks=4)" $long --rope yarn --attention "scca-fixed(sinks=4)"
trained grow-yarn full $long --rope yarn --attention "window(chunk=1/8)..$((steps / 3)),window(chunk=1/2)..$((2 * steps / 3)),full"
trained window-none "window(chunk=512)" $long --rope none --attention "window(chunk=512)"
trained scca-fixed-none scca-fixed $long --rope none --attention scca-fixed

# The table: each run's perplexities by what it is used with, the median step's speed, and the memory; the best first.
shopt -s nullglob
{
  echo "| run | used with | perplexity at 2048 | tokens/s of its training | peak memory |"
  echo "|---|---|---:|---:|---:|"
  for file in "$out"/*/under/*.json; do
    folder=${file%/under/*} use=$(basename "$file" .json)
    train/demo/study/row.sh "\`$(basename "$folder")\` | \`$use\`" "$folder/metrics.jsonl" "$file"
  done | sort -t '|' -k 4 -g
} | tee "$out/rivals.md"

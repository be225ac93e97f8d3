#!/usr/bin/env bash
# The study's base: the demo's model, taught to look back. Pretraining on 7 M tokens of books left it without any
# copying (a passage seen before saves it nothing), so that no pattern could retrieve anything. Three short lessons at
# its own context or below, all weights learning, each on the merged model of the one before:
#   repeats   passages that stand two to four times in a row: copying forms
#   keys      passkeys close by, with fewer repeats: copying of digits
#   far       passkeys anywhere in 512 tokens, among books: retrieval over the whole context
# Usage: train/demo/study/base.sh OUT   (about 20 minutes on 2 cores; a stopped one goes on where it was)
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
cd "$(dirname "$0")/../../.."
out=${1:?usage: train/demo/study/base.sh OUT}
scca=build/scca
books=train/demo/books/finetune

run() {
  printf '+ %s\n' "$*"
  "$@"
}
# JSONL documents made from the books' words by one awk program, the same for the same seed.
documents() {
  local file=$1 program=$2
  [ -s "$file" ] || cat $books/*.txt | LC_ALL=C tr -cs "A-Za-z,.;\n" ' ' | LC_ALL=C awk -v seed="$3" -v count="$4" '
    { for (i = 1; i <= NF; ++i) word[n++] = $i }
    function below(k) { return int(rand() * k) }
    function passage(k,    i, at, text) {
      at = rand() < 0.5 ? below(n - k) : -1
      for (i = 0; i < k; ++i) text = text (i ? " " : "") word[at < 0 ? below(n) : at + i]
      return text
    }
    END { srand(seed); for (d = 0; d < count; ++d) print "{\"text\": \"" document() "\"}" }
    '"$program" > "$file.part" && { [ -s "$file" ] || mv "$file.part" "$file"; }
}
# lesson NAME MODEL, then the flags that differ.
lesson() {
  local name=$1 model=$2
  shift 2
  [ -s "$out/$name/model/model.safetensors" ] && return
  run $scca finetune --model "$model" --out "$out/$name" --rope none --attention full --train all --warmup 20 \
    --checkpointing off --seed 1 --resume "$@"
  run $scca merge --model "$model" --adapter "$out/$name/adapter" --out "$out/$name/model" --dtype f32
}

mkdir -p "$out"
documents "$out/repeats.jsonl" 'function document(    p, times, i, text) {
  p = passage(6 + below(25)); times = 2 + below(3)
  for (i = 0; i < times; ++i) text = text (i ? "\\n" : "") p
  return text
}' 1 15000
documents "$out/keys.jsonl" 'function document(    k) {
  k = 10000 + below(90000)
  return "The pass key is " k ". Remember it. " k " is the pass key.\\nWhat is the pass key? The pass key is " k "."
}' 2 12000
for range in "near 112 192 3000 11" "far 112 512 3000 12"; do
  read -r name from to count seed <<< "$range"
  [ -s "$out/$name.jsonl" ] || run $scca prompts passkey --model train/demo/base --min-tokens "$from" --max-tokens "$to" \
    --count "$count" --seed "$seed" --out "$out/$name.jsonl"
done
head -n 4000 "$out/repeats.jsonl" > "$out/fewer_repeats.jsonl"

lesson repeats train/demo/base --data "$out/repeats.jsonl" --context 256 --batch 8 --steps 500 --lr 1.5e-3
lesson keys "$out/repeats/model" --data "$out/keys.jsonl" "$out/near.jsonl" "$out/fewer_repeats.jsonl" \
  --context 256 --batch 8 --steps 700 --lr 1e-3
lesson far "$out/keys/model" --data "$out/far.jsonl" $books --context 512 --batch 4 --steps 600 --lr 1e-3
run $scca eval passkey --model "$out/far/model" --lengths 128,256,384,512 --trials 10 --png "$out/passkey.png"

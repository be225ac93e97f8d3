#!/usr/bin/env bash
# The command line on the emulated device: each command gives the CPU's results, and what is missing is one clear line.
# Usage: tests/cuda_emulator/command_line.sh BUILD
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
export OMP_WAIT_POLICY=passive
scca=$build/scca_emulated model=tests/data/stories260K
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
die() { printf 'command_line: %s\n' "$*" >&2; exit 1; }
for i in $(seq 60); do echo "Once upon a time there were $i little dogs, and every little dog had a ball."; done > "$scratch/story.txt"

# close NAME PATTERN A B: the numbers after PATTERN in A and B are as many, and differ by 1e-4 of their size at most.
close() {
  paste <(grep -oE "$2[0-9.e+-]+" "$3" | sed "s/$2//") <(grep -oE "$2[0-9.e+-]+" "$4" | sed "s/$2//") |
    awk 'NF != 2 || ($1 - $2)^2 > 1e-8 * $2^2 { bad = 1 } END { exit bad || NR == 0 }' || die "$1: cuda and cpu differ"
}

for device in cuda cpu; do
  out=$scratch/$device
  mkdir "$out"
  finetune=("$scca" finetune --model $model --data "$scratch/story.txt" --context 32 --steps 4 --save-every 2
    --lora-dropout 0.1 --attention "scca-fixed(chunk=8)" --checkpointing on --device $device)
  "${finetune[@]}" --out "$out/run" 2> "$out/log" || die "finetune: $(cat "$out/log")"
  # What is resumed goes on with the same bits.
  cp -r "$out/run" "$out/resumed"
  rm "$out/resumed/checkpoints/step-00000004.safetensors"
  "${finetune[@]}" --out "$out/resumed" --resume 2> "$out/log" || die "resume: $(cat "$out/log")"
  cmp "$out/run/adapter/adapter_model.safetensors" "$out/resumed/adapter/adapter_model.safetensors" || die "resumed to other bits"
  "$scca" pretrain --config $model/config.json --tokenizer $model/tokenizer.model --data "$scratch/story.txt" --out "$out/new" \
    --context 32 --steps 2 --device $device 2> "$out/log" || die "pretrain: $(cat "$out/log")"
  "$scca" eval --model $model --adapter "$out/run/adapter" --data "$scratch/story.txt" --context 64 --json --device $device \
    > "$out/eval" 2> "$out/log" || die "eval: $(cat "$out/log")"
  "$scca" generate --model $model --prompt "Once" --max-tokens 12 --temperature 0 --device $device > "$out/text"
done
close finetune '"loss":' "$scratch/cuda/run/metrics.jsonl" "$scratch/cpu/run/metrics.jsonl"
close finetune '"grad_norm":' "$scratch/cuda/run/metrics.jsonl" "$scratch/cpu/run/metrics.jsonl"
close pretrain '"loss":' "$scratch/cuda/new/metrics.jsonl" "$scratch/cpu/new/metrics.jsonl"
close eval '"nll":' "$scratch/cuda/eval" "$scratch/cpu/eval"
cmp -s "$scratch/cuda/text" "$scratch/cpu/text" || die "generate: cuda and cpu say different things"

# refuses SETTING LINE: one line on stderr that holds LINE, and exit code 1.
refuses() {
  local code=0
  env "$1" "$scca" logits --model $model --ids 1,2 --device cuda > "$scratch/out" 2> "$scratch/err" || code=$?
  [ "$code" = 1 ] || die "$1: exit code $code"
  [ "$(wc -l < "$scratch/err")" = 1 ] && grep -qF -- "$2" "$scratch/err" || die "$1: $(cat "$scratch/err")"
}
refuses CUEMU_DEVICES=0 "--device cuda: no CUDA device was found"
refuses CUEMU_DRIVER=11040 "--device cuda: the NVIDIA driver is for CUDA 11.4, this program needs "
refuses CUEMU_MEMORY=1000000 "memory: no room for "
CUEMU_DEVICES=0 "$scca" logits --model $model --ids 1,2 --device auto > "$scratch/out" || die "auto does not go on on the CPU"
echo "finetune, resume, pretrain, eval, generate: as on the CPU; no device, old driver, no memory: one line"

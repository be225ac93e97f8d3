#!/usr/bin/env bash
# Why is the paper's order of the patterns not ours? The candidates, one by one, on the demo's model from 512 to 2048
# tokens, judged on four books:
#   readings     other readings of the paper's words, and sinks, as patterns of their own
#   rates        each pattern at half and at twice the learning rate of `readings`
#   warm         the sparse training begins where 30 steps of full attention ended
#   unstretched  positions without interpolation: what it does, and what the pattern does
#   longer       120 steps, and 480
# Usage: train/demo/study/order.sh [OUT]   (about an hour on 2 cores; a stopped one goes on where it was)
# STUDIES="readings rates" leaves the others out; SEEDS=3 is for more than a look (the longest has one seed).
set -euo pipefail
# A path that is given is the caller's, wherever this goes; the defaults lie in this tree.
[[ ${1:-/} == /* ]] || set -- "$PWD/$1" "${@:2}"
cd "$(dirname "$0")/../../.."
out=${1:-runs/order}
studies=${STUDIES:-readings rates warm unstretched longer}
seeds=${SEEDS:-2}
scca=build/scca
books=train/demo/books
paper=full,s2,scca-fixed,scca-flow,longmixed # of the paper's Table 2, and full
readings="scca-flow(early=local),scca-flow(step=half),scca-flow(own=half)"
readings+=",sda,sda(window=512),sda(window=512,shift=none),dilated(window=512)"
readings+=",mix(scca-fixed*2,sda(dilation=2,window=512),sda(dilation=4,window=512))"
readings+=",mix(sda(dilation=2),sda(dilation=4),sda(dilation=8))"
readings+=",s2(sinks=4),scca-fixed(sinks=4),window,window(sinks=4)"

run() {
  printf '+ %s\n' "$*"
  "$@"
}
# study NAME PATTERNS STEPS SEEDS MODEL, then the flags that differ.
study() {
  run $scca study --out "$out/$1" --patterns "$2" --steps "$3" --seeds "$4" --model "$5" --data $books/finetune \
    --eval-data "$out/text" --context 2048 --batch 2 --warmup 5 --checkpointing off --passkey-trials 0 --recall-passages 0 \
    --resume "${@:6}"
}

run train/build.sh scca
[ -d "$out/text" ] || run train/demo/study/excerpts.sh "$out/text" 35 $books/evaluation/*.txt
for name in $studies; do
  case $name in
    readings) study readings "$paper,$readings" 30 "$seeds" train/demo/base --lr 1e-3 --rope linear ;;
    rates)
      study half-rate $paper 30 "$seeds" train/demo/base --lr 5e-4 --rope linear
      study double-rate $paper 30 "$seeds" train/demo/base --lr 2e-3 --rope linear
      ;;
    warm)
      # Embedding and norms learn beside LoRA, as in the study: merged, they are the next run's base.
      [ -s "$out/warm-base/model.safetensors" ] || {
        run $scca finetune --model train/demo/base --data $books/finetune --out "$out/warm-up" --context 2048 --rope linear --attention full \
          --batch 2 --steps 30 --warmup 5 --lr 1e-3 --seed 11 --checkpointing off --resume
        run $scca merge --model train/demo/base --adapter "$out/warm-up/adapter" --out "$out/warm-base" --dtype f32
      }
      study warm $paper 30 "$seeds" "$out/warm-base" --lr 1e-3
      ;;
    unstretched) study unstretched full,scca-fixed 30 "$seeds" train/demo/base --lr 1e-3 --rope none ;;
    longer)
      study 120-steps $paper 120 "$seeds" train/demo/base --lr 1e-3 --rope linear
      study 480-steps $paper 480 1 train/demo/base --lr 1e-3 --rope linear
      ;;
    *) echo "order.sh: there is no '$name'; there are readings, rates, warm, unstretched, longer" >&2 && exit 2 ;;
  esac
done

# Of each study the nats above full attention at 2048 tokens, judged under full attention and under the own pattern.
awk -F, -v OFS="," '
  function study(file) { sub(/\/study.csv$/, "", file); sub(/.*\//, "", file); return file }
  # A row that holds commas is quoted; no other field is.
  { line = $0; row = ""; if (line ~ /^"/) { match(line, /^"[^"]*"/); row = substr(line, 2, RLENGTH - 2); line = "x" substr(line, RLENGTH + 1) }
    n = split(line, f, ","); if (row == "") row = f[1] }
  f[2] == 1 && f[5] == 2048 && f[4] ~ /^(own_)?perplexity$/ {
    key = study(FILENAME) SUBSEP f[4] SUBSEP row
    sum[key] += log(f[7]); ++count[key]
  }
  END {
    print "study,judged under,row,nats above full"
    for (key in sum) {
      split(key, part, SUBSEP)
      full = part[1] SUBSEP part[2] SUBSEP "full"
      printf "%s,%s,\"%s\",%.4f\n", part[1], part[2] == "perplexity" ? "full" : "own", part[3], \
        sum[key] / count[key] - sum[full] / count[full] | "sort"
    }
  }' "$out"/*/study.csv | tee "$out/order.csv"

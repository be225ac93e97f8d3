#!/usr/bin/env bash
# A row of a table of runs: its label, the perplexity that each EVAL.json has, and of METRICS.jsonl the median step's tokens a
# second and the peak of memory (no such file: nothing was trained).
# Usage: train/demo/study/row.sh LABEL METRICS.jsonl EVAL.json...
set -euo pipefail
label=$1 metrics=$2
shift 2
[ -e "$metrics" ] || metrics=/dev/null
awk -v label="$label" '
  function number(name) { return match($0, "\"" name "\": *[0-9.e+]+") ? substr($0, RSTART + length(name) + 3) + 0 : 0 }
  FNR == 1 { found = 0 }
  /"perplexity"/ && !found { row = row sprintf(" %.1f |", number("perplexity")); found = 1 }
  /"tokens_per_s"/ { speed[++steps] = number("tokens_per_s"); if (number("peak_bytes") > peak) peak = number("peak_bytes") }
  END {
    for (i = 2; i <= steps; ++i)
      for (j = i; j > 1 && speed[j] < speed[j - 1]; --j) { t = speed[j]; speed[j] = speed[j - 1]; speed[j - 1] = t }
    printf "| %s |%s %s | %s |\n", label, row, steps ? sprintf("%.0f", speed[int((steps + 1) / 2)]) : "-",
      steps ? sprintf("%.0f MB", peak / 1e6) : "-"
  }' "$@" "$metrics"

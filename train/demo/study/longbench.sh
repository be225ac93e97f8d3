#!/usr/bin/env bash
# Files in LongBench's form, made of books, since its own texts may not be shipped: three tasks whose answers need no
# person, each sample about so many kilobytes long.
#   passage_retrieval_en  30 passages of several books, and a sentence: which passage is it from
#   passage_count         passages, some of them twice or more: how many different ones are there
#   trec                  passages with the titles of their books as examples, and one more passage: which book
# The prompts are LongBench's (train/evaluation/longbench), so that they speak of Wikipedia.
# Usage: train/demo/study/longbench.sh OUT KILOBYTES SAMPLES BOOK...   (the same files for the same arguments)
set -euo pipefail
usage="usage: train/demo/study/longbench.sh OUT KILOBYTES SAMPLES BOOK..."
out=${1:?$usage} kilobytes=${2:?$usage} samples=${3:?$usage}
shift 3
[ $# -gt 0 ] || { echo "$usage" >&2 && exit 2; }
mkdir -p "$out"
LC_ALL=C awk -v RS= -v bytes="${kilobytes}000" -v samples="$samples" -v out="$out" '
  # A generator of its own, whose numbers every awk has: Park and Miller, exact in doubles.
  function below(n) { state = state * 16807 % 2147483647; return state % n }
  function quoted(text) {
    gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); gsub(/\n/, "\\n", text); gsub(/[\001-\037]/, " ", text)
    return "\"" text "\""
  }
  function write(task, input, context, answer, classes) {
    printf "{\"input\":%s,\"context\":%s,\"answers\":[%s],\"length\":%d,\"dataset\":\"%s\",\"language\":\"en\",\"all_classes\":%s}\n",
      quoted(input), quoted(context), quoted(answer), length(context), task, classes == "" ? "null" : classes \
      > (out "/" task ".jsonl")
  }
  # order[1 .. n]: the numbers 1 .. n, shuffled
  function shuffle(n,   i, j, kept) {
    for (i = 1; i <= n; ++i) order[i] = i
    for (i = n; i > 1; --i) { j = 1 + below(i); kept = order[i]; order[i] = order[j]; order[j] = kept }
  }
  # The longest sentence of a passage: a short one may stand in many.
  function sentence_of(text,   parts, n, i, best) {
    n = split(text, parts, /[.!?] /)
    for (i = 1; i <= n; ++i) if (length(parts[i]) > length(best)) best = parts[i]
    return best
  }
  BEGIN { state = 20231 + samples; size = bytes / 38 } # a passage ends with a paragraph, a quarter later on average
  FNR == 1 { title = FILENAME; sub(/.*\//, "", title); sub(/_.*/, "", title); gsub(/-/, " ", title); titles[++books] = title; text = "" }
  {
    gsub(/[ \t\r\n]+/, " ")
    text = text == "" ? $0 : text " " $0
    if (length(text) < size) next
    passage[++passages] = text; book[passages] = title; text = ""
  }
  END {
    if (passages < 60) { print "longbench.sh: these books make " passages " passages, expected 60 or more; name more books" > "/dev/stderr"; exit 1 }
    for (i = 1; i <= books; ++i) classes = classes (i > 1 ? "," : "[") quoted(titles[i])
    classes = classes "]"
    for (sample = 1; sample <= samples; ++sample) {
      shuffle(passages)
      context = ""
      for (i = 1; i <= 30; ++i) context = context "Paragraph " i ": " passage[order[i]] (i < 30 ? "\n\n" : "")
      i = 1 + below(30)
      write("passage_retrieval_en", sentence_of(passage[order[i]]), context, "Paragraph " i)

      different = 10 + below(21)
      for (i = 1; i <= 30; ++i) chosen[i] = passage[order[i <= different ? i : 1 + below(different)]]
      shuffle(30)
      context = ""
      for (i = 1; i <= 30; ++i) context = context "Paragraph " i ": " chosen[order[i]] (i < 30 ? "\n\n" : "")
      write("passage_count", "", context, different "")

      shuffle(passages)
      context = ""
      for (i = 1; i <= 30; ++i) context = context "Passage: " passage[order[i]] "\nType: " book[order[i]] "\n"
      write("trec", "Passage: " passage[order[31]] "\nType:", context, book[order[31]], classes)
    }
  }' "$@"

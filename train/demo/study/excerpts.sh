#!/usr/bin/env bash
# The same share of each of many books: held-out text of more authors for the same time, since a difference that holds
# in many books is known better than one that holds at many places of one.
# Usage: train/demo/study/excerpts.sh OUT KILOBYTES BOOK...   (whole lines, from 20 kB behind each book's beginning)
set -euo pipefail
usage="usage: train/demo/study/excerpts.sh OUT KILOBYTES BOOK..."
out=${1:?$usage} kilobytes=${2:?$usage}
shift 2
mkdir -p "$out"
for book in "$@"; do
  LC_ALL=C awk -v bytes="${kilobytes}000" '{ at += length($0) + 1 } at > 20000 && at <= 20000 + bytes' "$book" \
    > "$out/$(basename "$book")"
done

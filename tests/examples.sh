#!/usr/bin/env bash
# The examples that need no net, as they stand but for their sizes: examples.sh SCCA
set -euo pipefail
cd "$(dirname "$0")/.."
export SCCA=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "tests/examples.sh: $1" >&2
  exit 1
}

CONTEXT=256 STEPS=1 train/examples/packed.sh "$work/packed" >"$work/packed.txt" 2>"$work/log" || { cat "$work/log"; fail packed.sh; }
for attention in full scca-fixed; do
  for pack in rows documents; do
    grep -qE "^$attention +$pack +[0-9]+\\.[0-9]{3} +[0-9]+$" "$work/packed.txt" || { cat "$work/packed.txt"; fail "packed.sh: no row for $attention $pack"; }
  done
done

MODEL=tests/data/stories260K TEMPLATE=llama2 CONTEXT=256 STEPS=1 train/examples/chat.sh "$work/chat" >"$work/chat.txt" 2>"$work/log" ||
  { cat "$work/log"; fail chat.sh; }
grep -qE 'note: --data: [0-9]{3,} chats' "$work/log" || fail "chat.sh: no chats were found in the books"
grep -q '% of them learned' "$work/log" || fail "chat.sh: the loss is not that of the answers"
[ "$(grep -c '' "$work/chat.txt")" -ge 2 ] || fail "chat.sh: it gave no two answers"

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
if CONTEXT=128 STEPS=1 train/examples/packed.sh "$work/packed" >/dev/null 2>"$work/log"; then fail "packed.sh: it took another context's runs"; fi
grep -q -- '--context is 128 but' "$work/log" || { cat "$work/log"; fail "packed.sh: another context is not refused by name"; }

# From another folder, by relative paths.
chat=$PWD/train/examples/chat.sh
cp -r tests/data/stories260K "$work/a model"
cd "$work"
MODEL="a model" TEMPLATE=llama2 CONTEXT=256 STEPS=1 "$chat" chat >"$work/chat.txt" 2>"$work/log" ||
  { cat "$work/log"; fail chat.sh; }
grep -qE 'note: --data: [0-9]{3,} chats' "$work/log" || fail "chat.sh: no chats were found in the books"
grep -q '% of them learned' "$work/log" || fail "chat.sh: the loss is not that of the answers"
[ "$(grep -c '' "$work/chat.txt")" -ge 2 ] || fail "chat.sh: it gave no two answers"
[ -s "$work/chat/answers.txt" ] || fail "chat.sh: its results are not in the folder that was named"

#!/usr/bin/env bash
# Follows the lessons of a README: tests/lessons.sh README [BUILD FOLDER]. In each section whose heading begins with
# "## Lesson" a fenced block whose language has a path behind it is written there, and each ```sh block is run, from a
# scratch folder where all of the repository and the build folder are links: what a reader types at the repository's
# root works, and nothing lands in it. Paths lie under runs/lessons/NAME/, and the text before such a block names its path
# too: a fence's words are not seen where a README is shown. Other blocks are only to be read.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
readme=$(realpath "$1")
build=$(realpath "${2:-$root/build}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
blocks=$scratch/blocks
mkdir -p "$blocks" "$scratch/root/runs/lessons"
for entry in "$root"/*; do
  case ${entry##*/} in build* | runs) ;; *) ln -s "$entry" "$scratch/root/" ;; esac
done
ln -s "$build" "$scratch/root/build"

# Each block becomes a file NNN, and NNN.about: its line in the README, language, path, the lesson's heading, and "named"
# where the text since the block before has the path in backticks.
awk -v folder="$blocks" '
  open && /^```[ \t]*$/ { open = 0; prose = ""; close(body); next }
  open { print > body; next }
  /^## / { lesson = /^## Lesson/ ? substr($0, 4) : "" }
  /^```/ {
    open = 1
    body = "/dev/null"
    if (lesson == "") next
    body = sprintf("%s/%03d", folder, ++count)
    printf "" > body
    named = index(prose, "`" $2 "`") ? "named" : ""
    printf "%d\n%s\n%s\n%s\n%s\n", NR, substr($1, 4), $2, lesson, named > (body ".about")
    close(body ".about")
  }
  !open { prose = prose " " $0 }
  END { if (open) print "a block is not closed"; else if (!count) print "no lesson: no block under a ## Lesson" }
' "$readme" > "$scratch/wrong"
[ ! -s "$scratch/wrong" ] || { echo "$readme: $(cat "$scratch/wrong")" >&2; exit 1; }

cd "$scratch/root"
for about in "$blocks"/*.about; do
  block=${about%.about}
  { read -r line; read -r language; read -r path; read -r lesson; read -r named; } < "$about"
  fail() { printf '%s:%s: %s: %s\n' "$readme" "$line" "$lesson" "$1" >&2; sed 's/^/    /' "$block" >&2; exit 1; }
  case $path in
    "") ;;
    *..* | runs/lessons/*/) fail "a path that is not allowed: $path" ;;
    runs/lessons/*/*)
      [ -n "$named" ] || fail "the text before this block does not name \`$path\`"
      mkdir -p "${path%/*}" && cp "$block" "$path" && continue ;;
    *) fail "files of a lesson lie under runs/lessons/NAME/, not in $path" ;;
  esac
  [ "$language" = sh ] || continue
  printf '== %s (line %s)\n' "$lesson" "$line"
  bash -eu -o pipefail "$block" || fail "this block failed with exit code $?"
done

#!/usr/bin/env bash
# The lesson runner on small READMEs: what it must do, and what it must refuse. Usage: tests/lessons_check.sh BUILD
set -euo pipefail
runner=$(cd "$(dirname "$0")" && pwd)/lessons.sh
build=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tick='```'

# expect CODE TEXT: the README on stdin ends with CODE, and TEXT is in what was printed.
expect() {
  local code=0
  sed "s/^'''/$tick/" > "$scratch/README.md"
  "$runner" "$scratch/README.md" "$build" > "$scratch/out" 2>&1 || code=$?
  if [ "$code" != "$1" ] || ! grep -qF -- "$2" "$scratch/out"; then
    echo "exit code $code, wanted $1 and '$2' in:" >&2
    cat "$scratch/README.md" "$scratch/out" >&2
    exit 1
  fi
}

lesson() { printf "# x\n'''sh\nfalse\n'''\n## Lesson: one\n%b\n## After\n'''sh\nfalse\n'''\n" "$1"; }

lesson "The file \`runs/lessons/x/a/b.txt\`:\n'''text runs/lessons/x/a/b.txt\nhello \$HOME\n'''\n'''json\nnot run\n'''\n'''sh\ngrep -x 'hello \$HOME' runs/lessons/x/a/b.txt
build/scca --version\nls train/demo/base/config.json\n'''" | expect 0 "== Lesson: one (line 13)"
lesson "'''sh\ntrue\nfalse\ntrue\n'''" | expect 1 "Lesson: one: this block failed with exit code 1"
lesson "'''sh\nfalse | cat\n'''" | expect 1 "this block failed"
lesson "'''sh\necho \$unset_name\n'''" | expect 1 "this block failed"
lesson "'''cpp core/tensor.h\n'''\n" | expect 1 "not in core/tensor.h"
lesson "'''cpp runs/lessons/../../x\n'''\n" | expect 1 "not allowed"
lesson "'''text runs/lessons/x/b.txt\n'''\nToo late: \`runs/lessons/x/b.txt\`" | expect 1 "does not name"
lesson "no block" | expect 1 "no block under a ## Lesson"
lesson "'''sh\ntrue" | sed '$d' | expect 1 "a block is not closed"
echo "lessons_check: all as expected"

#!/usr/bin/env bash
# The library as its user meets it: installs BUILD, moves the prefix, copies this folder out of the source tree, builds
# the copy, runs it. Usage: tests/example/run.sh BUILD
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
build=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say() { printf 'example: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

cmake --install "$build" --prefix "$scratch/before" > /dev/null
mv "$scratch/before" "$scratch/prefix"
for path in "$repository" "$build" "$scratch"; do
  ! grep -rlF --include='*.cmake' --include='*.h' "$path" "$scratch/prefix" || die "these files name $path"
done
"$scratch/prefix/bin/scca" --version

mkdir "$scratch/copy"
cp "$here"/*.cpp "$here/CMakeLists.txt" "$scratch/copy"
cd "$scratch/copy"
cmake -S . -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" > configured || { cat configured; die "does not configure"; }
cmake --build build > built || { cat built; die "does not build"; }

say "a net trained with tensors and ops alone"
build/toy_net
! ldd build/toy_net | grep sentencepiece || die "toy_net needs SentencePiece"

say "a pattern and a command of its own"
my=build/my_scca
"$my" check-patterns
"$my" patterns scca-fixed --tokens 64 --heads 4 > /dev/null  # those of the library are there too
"$my" patterns my-pattern --tokens 64 --heads 4 > plan.json
# query 20 is in the second chunk of 16 and sees the first token and its own chunk
grep -qF '{"keys":[[0,1,1],[16,1,16]],"queries":[16,1,16]}' plan.json || die "another plan: $(cat plan.json)"
! "$scratch/prefix/bin/scca" patterns my-pattern --tokens 64 --heads 4 2> refused || die "scca itself knows my-pattern"
grep -q "unknown pattern .my-pattern." refused || die "refused for another reason: $(cat refused)"

# the middle of nine pixels, three to a row, sees all of them, a corner four: both ways, as an image is seen
"$my" patterns "dna2d(columns=3)" --tokens 9 --heads 1 --causal off > image.json
grep -qF '"visible_pairs":[49]' image.json || die "another neighbourhood: $(cat image.json)"

model=$repository/tests/data/stories260K
for i in $(seq 200); do echo "Once upon a time there were $i little dogs, and every little dog had a ball."; done > story.txt
"$my" finetune --model "$model" --data story.txt --out run --context 128 --attention my-pattern --steps 2 2> /dev/null
grep -qF '"my-pattern"' run/config.json || die "the run does not say which pattern it trained with"
[ "$(wc -l < run/metrics.jsonl)" -ge 2 ] || die "two steps leave two lines: $(cat run/metrics.jsonl)"
[ -s run/adapter/adapter_model.safetensors ] || die "no adapter"
say "done"

#!/usr/bin/env bash
# The library as its user meets it: installs BUILD, moves the prefix, copies this folder and the denoiser of train/examples out
# of the source tree, builds the copies, runs them. Usage: tests/example/run.sh BUILD
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
cp -r "$repository/train/examples/denoiser" "$scratch/denoiser"
cp "$here"/*.cpp "$here/CMakeLists.txt" "$scratch/denoiser/dna2d.cpp" "$scratch/copy"
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
"$my" patterns dna2d --tokens 9 --heads 1 --causal off | cmp - image.json || die "of a square image the side is not found"
! "$my" patterns dna2d --tokens 10 --heads 1 2> refused || die "10 pixels are taken for a square image"
grep -q "10 tokens are no square image" refused || die "refused for another reason: $(cat refused)"

model=$repository/tests/data/stories260K
for i in $(seq 200); do echo "Once upon a time there were $i little dogs, and every little dog had a ball."; done > story.txt
"$my" finetune --model "$model" --data story.txt --out run --context 128 --attention my-pattern --steps 2 2> /dev/null
grep -qF '"my-pattern"' run/config.json || die "the run does not say which pattern it trained with"
[ "$(wc -l < run/metrics.jsonl)" -ge 2 ] || die "two steps leave two lines: $(cat run/metrics.jsonl)"
[ -s run/adapter/adapter_model.safetensors ] || die "no adapter"

say "a denoiser of images"
cd "$scratch/denoiser"
cmake -S . -B build -DCMAKE_PREFIX_PATH="$scratch/prefix" > configured || { cat configured; die "does not configure"; }
cmake --build build > built || { cat built; die "does not build"; }
denoise() { build/image_scca denoise --size 16 "$@"; }
denoise --patterns "full,local,dna2d,full" --steps 120 --out seen.png > table.txt 2> log || { cat log; die "denoise fails"; }
# the name of a row, its PSNR, how far it is from the first pattern's, and which pixels the last one reaches
awk '
  NR > 1 {
    match($0, /  +[0-9]/)
    name[++rows] = substr($0, 1, RSTART - 1)
    split(substr($0, RSTART), figure, /  +/)
    psnr[rows] = figure[2]; difference[rows] = figure[3]; pairs[rows] = figure[4]; reached[rows] = figure[5]
  }
  function want(what, is) { if (!is) { print "example: wrong: " what > "/dev/stderr"; bad = 1 } }
  END {
    want("seven rows", rows == 7)
    want("the names", name[1] == "noisy" && name[4] == "full" && name[5] == "local" && name[6] == "dna2d" && name[7] == "full")
    want("the noise: 20 log10(1 / 0.2) = 13.98 dB", psnr[1] > 13.9 && psnr[1] < 14.1)
    want("filters that help, the one that knows the copies more", psnr[2] > psnr[1] + 2 && psnr[3] > psnr[2] + 2)
    want("full learns more than any filter gives", psnr[4] > psnr[3] + 1)
    want("what local cannot see costs it, dna2d more", psnr[5] < psnr[4] - 1 && psnr[6] < psnr[5] - 1)
    want("the same start, the same images: the same answer", psnr[7] == psnr[4] && difference[7] == "0.00 +- 0.00")
    want("pairs", pairs[4] == "100.0 %" && pairs[5] == "25.0 %" && pairs[6] == "3.2 %")   # (3 * 16 - 2)^2 of 256^2
    # both ways: the last pixel reaches the first under full; its own chunk of four; two layers of a step left and up each
    want("reach", reached[4] == "100.0 %" && reached[5] == "25.0 %" && reached[6] == "3.5 %")
    exit bad
  }' table.txt || { cat table.txt; die "another table"; }
# six images of 144 pixels with 8 between them and 20 around, the clean ones and seven rows more of 144 + 34: as the PNG says it itself
[ "$(od -An -tu1 -j 16 -N 8 seen.png | xargs)" = "0 0 3 $((944 - 3 * 256)) 0 0 5 $((8 * 178 + 40 - 5 * 256))" ] || die "another picture"
# two images to a step are enough where no step has another's: 21.2 dB, and 19.2 if all steps had the same two
denoise --patterns full --batch 2 --steps 120 --out two.png 2> log | awk '$1 == "full" && $2 > 20.2 { learns = 1 } END { exit !learns }' ||
  { cat log; die "two images to a step do not do"; }
denoise --patterns full --causal on --steps 1 --out causal.png > causal.txt 2> log || { cat log; die "no causal attention"; }
grep -qE "^full .* 50\.2 % +0\.4 % " causal.txt || die "causal, and the last pixel reaches more than itself: $(cat causal.txt)"
refuses() {  # what it says; the flags
  local words=$1 code=0
  shift
  build/image_scca denoise "$@" > /dev/null 2> refused || code=$?
  [ "$code" -eq 2 ] && [ "$(wc -l < refused)" -eq 1 ] && grep -qF -- "$words" refused || die "$*: exit $code, $(cat refused)"
}
refuses "--size 15: expected 16 to 64" --size 15
refuses "found '65'" --size 65
refuses "--steps 0: expected 1 or more" --steps 0
refuses "--batch 0: expected 1 or more" --batch 0
refuses "--noise 0: expected above 0" --noise 0
refuses "--lr 2: expected above 0, up to 1" --lr 2
refuses "there is no folder nowhere" --out nowhere/picture.png
refuses "--out build is a folder" --out build
refuses "--patterns is empty" --patterns ""
refuses "24 and 12 here" --patterns "full,dna2d(radius=12)"  # and none is trained first
refuses "names layer 2" --patterns "full@2;local"
say "done"

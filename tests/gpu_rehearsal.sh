#!/usr/bin/env bash
# tests/gpu.sh on the emulator: all parts, each with its JSON; a part that fails, which stops none of the next; and too few minutes.
# A build folder of its own holds links to the programs of BUILD: ctest runs this, and would run itself in one folder twice; by hand,
# tests/gpu.sh --rehearse takes the whole build. Usage: gpu_rehearsal.sh BUILD
set -euo pipefail
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project" "$work/build"
cat > "$work/project/CMakeLists.txt" << 'END'
cmake_minimum_required(VERSION 3.22)
project(rehearsal NONE)
enable_testing()
foreach(target scca_emulated scca_tests_emulated scca_static scca_cublas)
  add_custom_target(${target})
endforeach()
add_test(NAME plain/ops/rope COMMAND scca_tests_emulated --source-file=*tests/ops/rope_test.cpp --no-intro)
END
for program in scca_emulated scca_tests_emulated; do ln -s "$build/$program" "$work/build"; done
PATH=$work/build:$PATH
cmake -S "$work/project" -B "$work/build" -G Ninja > "$work/log"

die() {
  printf 'gpu_rehearsal: %s\n' "$*"
  tail -30 "$work/log"
  exit 1
}
# rehearse FOLDER ARGUMENTS...: its exit code.
rehearse() {
  local folder=$1 code=0
  shift
  BUILD=$work/build tests/gpu.sh --rehearse --out "$work/$folder" "$@" > "$work/log" 2>&1 || code=$?
  echo $code
}
# is FOLDER PART STATE: what the summary says of a part.
is() {
  grep -qF "{\"part\": \"$2\", \"state\": \"$3\"" "$work/$1/summary.json" || die "$1: '$2' is not '$3': $(cat "$work/$1/summary.json")"
}
# json FOLDER NAME MEMBER: the file is one whole JSON object that has MEMBER.
json() {
  echo "file(READ \"$work/$1/$2.json\" text)
    string(JSON found GET \"\${text}\" $3)" > "$work/check.cmake"
  cmake -P "$work/check.cmake" 2> "$work/err" || die "$1/$2.json: no $3: $(cat "$work/err")"
}
all=(smoke "quick bench" tests bench memcheck racecheck initcheck)

[ "$(rehearse all)" = 0 ] || die "the rehearsal fails"
for part in build "${all[@]}"; do is all "$part" passed; done
json all summary parts
grep -qF '"card": "Rehearsal"' "$work/all/summary.json" || die "the summary is of another card"
json all smoke ops
json all bench-quick dtypes
json all tests tests
json all bench dtypes
for tool in memcheck racecheck initcheck; do json all $tool exit_code; done
order=$(grep -o '"part": "[a-zA-Z ]*"' "$work/all/summary.json" | cut -d'"' -f4 | tr '\n' ' ')
[ "$order" = "build smoke quick bench tests bench memcheck racecheck initcheck " ] ||
  [ "$order" = "build smoke quick bench tests bench comparison with PyTorch memcheck racecheck initcheck " ] || die "in the order: $order"
ls "$work"/all/*.tmp > /dev/null 2>&1 && die "a half-written file is left"

# A bench whose figures cannot be written fails, and all else is run as before.
mkdir -p "$work/failing/bench-quick.json.tmp"
[ "$(rehearse failing)" = 1 ] || die "a bench that fails is no failure"
is failing "quick bench" failed
for part in smoke tests bench memcheck racecheck initcheck; do is failing "$part" passed; done
grep -q "^quick bench  *failed " "$work/log" || die "the summary does not name it"

# No device at all: what ran without one is no success.
[ "$(CUEMU_DEVICES=0 rehearse none)" = 1 ] || die "tests without a device are no failure"
for part in smoke "quick bench" tests bench; do is none "$part" failed; done

# One minute is not enough for all tests, and none of it is lost on them.
[ "$(rehearse minute --minutes 1)" = 0 ] || die "--minutes 1 fails"
for part in tests bench memcheck racecheck initcheck; do is minute "$part" "not reached"; done
[ "$(rehearse none --minutes soon)" = 2 ] || die "--minutes soon is taken"
echo "all parts; a part that fails; no device; one minute: as expected"

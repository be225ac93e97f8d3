#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, and runs all tests.
#   tests/run.sh               everything
#   tests/run.sh --quick       without the long tests
#   tests/run.sh --sanitized   everything under ASan and UBSan, in a build of its own (about 15 minutes more)
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-all}
case "$mode" in
  all | --quick | --sanitized) ;;
  *)
    echo "tests/run.sh: unknown '$mode'; usage: tests/run.sh [--quick | --sanitized]" >&2
    exit 2
    ;;
esac

run() {
  printf '+ %s\n' "$*"
  "$@"
}

# Runs ctest, then says what the tests of this run could not check without a device.
check() {
  local build=$1
  shift
  run ctest "$@"
  awk '/^skipped for want of a device: / { checks += $7; why = $0; sub(/^[^(]*/, "", why) }
       END { if (checks) print "skipped for want of a device: " checks " checks " why }' "$build/Testing/Temporary/LastTest.log"
}

case "$mode" in
  all)
    BUILD=build run train/build.sh all -DSCCA_WERROR=ON
    check build --preset default --parallel "$(nproc)"
    ;;
  --quick)
    BUILD=build run train/build.sh all -DSCCA_WERROR=ON
    check build --preset default --parallel "$(nproc)" -LE long
    ;;
  --sanitized)
    BUILD=build-sanitized run train/build.sh scca_tests -DSCCA_WERROR=ON -DSCCA_SANITIZE=address,undefined -DSCCA_CUDA=OFF
    check build-sanitized --preset sanitized --parallel "$(nproc)"
    ;;
esac

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

case "$mode" in
  all)
    BUILD=build run train/build.sh all -DSCCA_WERROR=ON
    run ctest --preset default
    ;;
  --quick)
    BUILD=build run train/build.sh all -DSCCA_WERROR=ON
    run ctest --preset default -LE long
    ;;
  --sanitized)
    BUILD=build-sanitized run train/build.sh scca_tests -DSCCA_WERROR=ON -DSCCA_SANITIZE=address,undefined
    run ctest --preset sanitized
    ;;
esac

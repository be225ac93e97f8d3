#!/usr/bin/env bash
# Installs what is missing, builds with warnings as errors, and runs all tests.
#   tests/run.sh            everything, a second time under ASan and UBSan
#   tests/run.sh --quick    the first build only, without the long tests (about 2 minutes once built)
set -euo pipefail
cd "$(dirname "$0")/.."
quick=""
case "${1:-}" in
  "") ;;
  --quick) quick=1 ;;
  *)
    echo "usage: tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

run() {
  printf '+ %s\n' "$*"
  "$@"
}

BUILD=build run train/build.sh all -DSCCA_WERROR=ON
if [ -n "$quick" ]; then
  run ctest --test-dir build --output-on-failure -LE long
  exit
fi
BUILD=build-sanitized run train/build.sh scca_tests -DSCCA_WERROR=ON -DSCCA_SANITIZE=address,undefined
run ctest --preset sanitized -LE long
run ctest --preset default

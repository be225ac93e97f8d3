#!/usr/bin/env bash
# Builds, measures, and fails when a speed ratio misses its limit. Not a part of the tests: what else runs on the
# machine would decide whether they pass. Arguments go to scca bench (--quick, --json, --model DIR, ...).
set -euo pipefail
cd "$(dirname "$0")/../.."
train/build.sh scca
exec "${BUILD:-build}/scca" bench --check "$@"

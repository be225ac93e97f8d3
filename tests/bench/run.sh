#!/usr/bin/env bash
# Builds, measures attention and a training step against the machine's own matrix products (about 75 s on 2 idle cores), and fails when
# a ratio misses its limit. Not part of the tests: a time is no property of the code alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
printf '+ %s\n' "train/build.sh scca"
train/build.sh scca
printf '+ %s\n' "build/scca bench --check --device cpu $*"
build/scca bench --check --device cpu "$@"

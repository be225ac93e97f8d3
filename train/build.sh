#!/usr/bin/env bash
# Installs what is missing and builds. Usage: train/build.sh TARGET [CMAKE ARGUMENTS...]; BUILD names the build folder;
# with OFFLINE=1 what is missing is named, not installed.
# train/demo.sh and tests/run.sh both begin with this, in the same folder, so that nothing is built twice.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1
shift
build=${BUILD:-build}

run() {
  printf '+ %s\n' "$*"
  "$@"
}

packages="g++ cmake ninja-build libdnnl-dev ocl-icd-opencl-dev libsentencepiece-dev nlohmann-json3-dev libcli11-dev doctest-dev libstb-dev fonts-dejavu-core"
missing=""
if command -v dpkg-query >/dev/null; then
  for package in $packages; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
      *"ok installed") ;;
      *) missing="$missing $package" ;;
    esac
  done
else
  echo "This is no Debian system: these packages (or their like) must be here already: $packages"
fi

if [ -n "$missing" ]; then
  if [ "${OFFLINE:-}" = 1 ]; then
    echo "Missing packages. Ask for: apt-get install$missing" >&2
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    become=""
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    become="sudo"
  else
    echo "Missing packages, and no root or sudo to install them. Ask for: apt-get install$missing" >&2
    exit 1
  fi
  # The lists of a fresh machine may be empty or old: update once, then install.
  run $become apt-get update -qq
  run $become env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
fi

[ -f "$build/build.ninja" ] && [ $# = 0 ] || run cmake -S . -B "$build" -G Ninja "$@"
run cmake --build "$build" --target $target

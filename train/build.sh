#!/usr/bin/env bash
# Installs what is missing and builds. Usage: train/build.sh TARGET [CMAKE ARGUMENTS...]; BUILD names the build folder;
# with OFFLINE=1 what is missing is named, not installed. On another system than Debian and its like nothing is installed:
# the packages' names are printed, and the build goes on with what CMake finds.
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

packages="g++ cmake ninja-build libdnnl-dev ocl-icd-opencl-dev libsentencepiece-dev libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev nlohmann-json3-dev libcli11-dev doctest-dev libstb-dev fonts-dejavu-core"
missing=""
if command -v dpkg-query >/dev/null; then
  for package in $packages; do
    case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true) in
      *"ok installed") ;;
      *) missing="$missing $package" ;;
    esac
  done
else
  cat << END
This is no Debian system, so nothing is installed. What the build needs, by each system's names (only apt's are tried):
  apt    $packages
  dnf    gcc-c++ cmake ninja-build onednn-devel sentencepiece-devel pcre2-devel utf8proc-devel zlib-devel libzstd-devel json-devel cli11-devel doctest-devel stb-devel dejavu-sans-fonts
  brew   cmake ninja libomp onednn sentencepiece pcre2 utf8proc zlib zstd nlohmann-json cli11 doctest; stb from github.com/nothings/stb, in a folder stb
  conda  (conda-forge) cxx-compiler cmake ninja onednn=*=omp* libsentencepiece pcre2 libutf8proc zlib zstd nlohmann_json cli11 doctest stb
The build itself is two lines; what lies in a place of its own is named by -DCMAKE_PREFIX_PATH (conda: \$CONDA_PREFIX):
  cmake -S . -B $build -G Ninja $*
  cmake --build $build --target $target
END
fi

if [ -n "$missing" ]; then
  if [ "${OFFLINE:-}" = 1 ]; then
    echo "Missing packages. Ask for: apt-get install$missing" >&2
    exit 1
  fi
  if [ "$(id -u)" = 0 ]; then
    become=""
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    become="sudo"  # at a terminal it may ask for a password
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

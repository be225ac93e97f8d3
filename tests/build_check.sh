#!/usr/bin/env bash
# train/build.sh on systems that are not this one: stand-ins for dpkg-query, sudo, apt-get and cmake say what they were asked.
# Usage: tests/build_check.sh
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
for tool in bash env cat dirname grep; do ln -s "$(command -v $tool)" "$scratch/bin/$tool"; done
stand_in() { printf '#!/usr/bin/env bash\n%s\n' "$2" > "$scratch/bin/$1" && chmod +x "$scratch/bin/$1"; }
stand_in cmake 'echo "ran cmake $*"'
stand_in apt-get 'echo "ran apt-get $*"'
stand_in id 'echo 1000'

# expect CODE TEXT COMMAND...: it exits with CODE, and says TEXT.
expect() {
  local code=0 wanted_code=$1 wanted=$2
  shift 2
  (cd "$scratch" && PATH=$scratch/bin BUILD=$scratch/build "$@") > "$scratch/out" 2>&1 < /dev/null || code=$?
  if [ "$code" != "$wanted_code" ] || ! grep -qF -- "$wanted" "$scratch/out"; then
    echo "exit code $code, wanted $wanted_code and '$wanted' in:" >&2
    cat "$scratch/out" >&2
    exit 1
  fi
}
build=$repository/train/build.sh

# Not Debian: names for each system, the plain lines, and the build goes on.
for text in "apt    g++ cmake" "dnf    gcc-c++ " "brew   cmake " "conda  (conda-forge) " \
  "  cmake -S . -B $scratch/build -G Ninja -DX=1" "  cmake --build $scratch/build --target scca" \
  "ran cmake -S . -B $scratch/build -G Ninja -DX=1" "ran cmake --build $scratch/build --target scca"; do
  expect 0 "$text" "$build" scca -DX=1
done

# Debian with a package missing.
stand_in dpkg-query 'case "$*" in *libstb-dev*) ;; *) echo "install ok installed" ;; esac'
expect 1 "no root or sudo to install them. Ask for: apt-get install libstb-dev" "$build" scca
expect 1 "Missing packages. Ask for: apt-get install libstb-dev" env OFFLINE=1 "$build" scca
stand_in sudo '[ "$1" != -n ] || exit 1; echo "asked for a password"; exec "$@"'
expect 1 "no root or sudo to install them" "$build" scca  # nobody is there to be asked
real_script=$(command -v script || true)
if [ -n "$real_script" ]; then  # a terminal
  expect 0 "asked for a password" "$real_script" -qec "$build scca" /dev/null
  expect 0 "ran apt-get install -y -qq --no-install-recommends libstb-dev" "$real_script" -qec "$build scca" /dev/null
fi
stand_in sudo '[ "$1" != -n ] || exit 0; exec "$@"'
expect 0 "ran apt-get install -y -qq --no-install-recommends libstb-dev" "$build" scca
stand_in id 'echo 0'
expect 0 "ran cmake --build $scratch/build --target scca" "$build" scca
echo "build_check: all as expected"

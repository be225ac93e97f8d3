#!/usr/bin/env bash
# scca in the tree of another project: what it offers there, and what it leaves alone. Configures all of it; builds, without
# optimisation, the program that needs tensors and ops alone. Usage: tests/example/subproject.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
say() { printf 'subproject: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

mkdir "$scratch/parent"
cp "$here"/*.cpp "$here/CMakeLists.txt" "$repository/train/examples/denoiser/dna2d.cpp" "$scratch/parent"
cat >> "$scratch/parent/CMakeLists.txt" << 'END'
add_executable(my_check my_check.cpp)
target_link_libraries(my_check PRIVATE scca::op_check)
foreach(target core ops nn models train scca cli op_check)
  if(NOT TARGET scca::${target})
    message(FATAL_ERROR "no scca::${target}")
  endif()
endforeach()
foreach(variable CMAKE_CXX_FLAGS CMAKE_CXX_FLAGS_DEBUG CMAKE_CXX_STANDARD CMAKE_BUILD_TYPE CMAKE_MODULE_PATH)
  message(STATUS "after: ${variable}=${${variable}}")
endforeach()
message(STATUS "after: cached build type=$CACHE{CMAKE_BUILD_TYPE}")
get_directory_property(options COMPILE_OPTIONS)
message(STATUS "after: options=${options}")
END
cd "$scratch/parent"
touch my_check.cpp
# -DSCCA_CUDA=OFF: the folder is the only thing under test.
cmake -S . -B build -G Ninja -DSCCA_SOURCE="$repository" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-DPARENT -DSCCA_CUDA=OFF \
  > configured 2>&1 || { cat configured; die "does not configure"; }
for line in CMAKE_CXX_FLAGS=-DPARENT CMAKE_CXX_FLAGS_DEBUG=-g CMAKE_CXX_STANDARD= CMAKE_BUILD_TYPE=Debug CMAKE_MODULE_PATH= \
  "cached build type=Debug" options=; do
  grep -qxF -- "-- after: $line" configured || die "changed its parent, wanted $line: $(grep after: configured)"
done
ninja -C build -t targets all > targets
! grep -q "scca_tests" targets || die "has tests"
! grep -q "bin/scca\|lib/scca" build/cmake_install.cmake build/scca/cmake_install.cmake || die "installs itself with its parent"
ninja -C build -n my_scca my_check > /dev/null || die "my_scca's parts are not all there"

ninja -C build toy_net > built || { cat built; die "does not build"; }
build/toy_net
! ldd build/toy_net | grep sentencepiece || die "toy_net needs SentencePiece"

rm -rf build
cmake -S . -B build -G Ninja -DSCCA_SOURCE="$repository" -DSCCA_CUDA=OFF > configured 2>&1 || { cat configured; die "does not configure"; }
grep -qxF -- "-- after: cached build type=" configured || die "chose its parent's build type: $(grep after: configured)"
say "done"

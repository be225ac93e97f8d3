#pragma once
// Where the cuBLAS of this machine may lie: toolkits, conda and pip each have a place of their own, and none
// tells the loader.
#include <functional>
#include <string>
#include <vector>

namespace scca {

/// Folders that may hold libcublas.so.MAJOR, the likeliest first, each once, whether they exist or not:
///   lib64, lib and targets/x86_64-linux/lib of $CUDA_HOME, of $CUDA_PATH;
///   `built_with`, where the toolkit of the build has its libraries;
///   /usr/local/cuda/lib64;
///   lib of $CONDA_PREFIX;
///   nvidia/cuMAJOR/lib and nvidia/cublas/lib (pip's nvidia-cublas) in the site-packages of $VIRTUAL_ENV, of
///   $CONDA_PREFIX, of each python3 on the PATH, and of the user (~/.local).
/// The last are listed only where that Python exists.
std::vector<std::string> cublas_folders(int major, const std::string& built_with);

/// What opens a library (dlopen): null, with the reason in `why`, where it does not.
using OpenLibrary = std::function<void*(const std::string& file, std::string& why)>;

/// libcublas.so.MAJOR from the loader's own places (LD_LIBRARY_PATH, ld.so.conf), else from the first of the
/// folders that has it. Throws Error naming all of them where none has.
void* find_cublas(int major, const std::string& built_with, const OpenLibrary& open);

}  // namespace scca

#include "ops/cublas_search.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "core/check.h"

namespace scca {
namespace {

namespace fs = std::filesystem;

/// Empty where it is not set.
fs::path variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

/// In the order of their names, so that the search is the same each time; none where there is no such folder.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error))
    all.push_back(*i);
  std::sort(all.begin(), all.end());
  return all;
}

/// The folders in which bin/python3 and lib/python3.* may stand.
std::vector<fs::path> python_prefixes() {
  std::vector<fs::path> all{variable("VIRTUAL_ENV"), variable("CONDA_PREFIX")};
  std::istringstream path(variable("PATH").string());
  std::error_code error;
  for (std::string folder; std::getline(path, folder, ':');)
    if (!folder.empty() && fs::exists(fs::path(folder) / "python3", error))
      all.push_back(fs::path(folder).parent_path());
  if (!variable("HOME").empty()) all.push_back(variable("HOME") / ".local");
  return all;
}

class Folders {
 public:
  void add(const fs::path& root, const fs::path& below = {}) {
    if (root.empty()) return;
    const std::string folder = (below.empty() ? root : root / below).string();
    if (std::find(all_.begin(), all_.end(), folder) == all_.end()) all_.push_back(folder);
  }

  void add_pip(const fs::path& prefix, int major) {
    if (prefix.empty()) return;
    for (const fs::path& python : entries(prefix / "lib")) {
      if (!python.filename().string().starts_with("python3")) continue;
      for (const char* packages : {"site-packages", "dist-packages"})  // the latter is Debian's
        for (const std::string& package : {"cu" + std::to_string(major), std::string("cublas")}) {
          std::error_code error;
          const fs::path folder = python / packages / "nvidia" / package / "lib";
          if (fs::exists(python / packages, error)) add(folder);
        }
    }
  }

  std::vector<std::string> take() && { return std::move(all_); }

 private:
  std::vector<std::string> all_;
};

}  // namespace

std::vector<std::string> cublas_folders(int major, const std::string& built_with) {
  Folders folders;
  for (const char* home : {"CUDA_HOME", "CUDA_PATH"})
    for (const char* below : {"lib64", "lib", "targets/x86_64-linux/lib"}) folders.add(variable(home), below);
  folders.add(built_with);
  folders.add("/usr/local/cuda/lib64");
  folders.add(variable("CONDA_PREFIX"), "lib");
  for (const fs::path& prefix : python_prefixes()) folders.add_pip(prefix, major);
  return std::move(folders).take();
}

void* find_cublas(int major, const std::string& built_with, const OpenLibrary& open) {
  const std::string version = std::to_string(major), file = "libcublas.so." + version;
  std::string why, looked, said;
  if (void* library = open(file, why)) return library;
  for (const std::string& folder : cublas_folders(major, built_with)) {
    looked += ", " + folder;
    std::error_code error;
    if (!fs::exists(folder + "/" + file, error)) continue;
    // What it needs lies beside it, and is found once it is loaded, also where the library does not say so.
    open(folder + "/libcublasLt.so." + version, said);
    if (void* library = open(folder + "/" + file, why)) return library;
  }
  fail("matmul: ", file, " is not found, which matrix products on CUDA need (", why,
       "); looked on the loader's path", looked, "; install the CUDA ", version,
       " libraries (NVIDIA's packages, conda, or pip install nvidia-cublas), or name their folder in "
       "LD_LIBRARY_PATH");
}

}  // namespace scca

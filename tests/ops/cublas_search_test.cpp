#include "ops/cublas_search.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

/// The variables that the search reads, set for one test: an empty value is none.
class Environment {
 public:
  explicit Environment(std::map<std::string, std::string> values) {
    for (const char* name : {"CUDA_HOME", "CUDA_PATH", "CONDA_PREFIX", "VIRTUAL_ENV", "PATH", "HOME"}) {
      const char* before = std::getenv(name);
      before_[name] = before ? before : "";
      set(name, values[name]);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }

 private:
  static void set(const std::string& name, const std::string& value) {
    value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
  }
  std::map<std::string, std::string> before_;
};

std::string touch(const fs::path& file) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << "x";
  return file.string();
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

int library;  // what stands for an opened one

/// Opens the files of `there` only.
OpenLibrary opens(const std::vector<std::string>& there) {
  return [there](const std::string& file, std::string& why) -> void* {
    if (contains(there, file)) return &library;
    why = file + ": cannot open shared object file";
    return nullptr;
  };
}

}  // namespace

TEST_CASE("cublas: the folders of toolkits, of the build, of conda and of pip, in this order") {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  touch(root + "/venv/bin/python3");
  fs::create_directories(root + "/venv/lib/python3.11/site-packages");
  fs::create_directories(root + "/home/.local/lib/python3.12/site-packages");
  touch(root + "/usr/bin/python3");
  fs::create_directories(root + "/usr/lib/python3/dist-packages");
  const Environment set({{"CUDA_HOME", root + "/home-of-cuda"},
                         {"CUDA_PATH", root + "/path-of-cuda"},
                         {"CONDA_PREFIX", root + "/conda"},
                         {"PATH", root + "/none:" + root + "/venv/bin:" + root + "/usr/bin"},
                         {"HOME", root + "/home"}});
  const std::vector<std::string> expected{
      root + "/home-of-cuda/lib64",
      root + "/home-of-cuda/lib",
      root + "/home-of-cuda/targets/x86_64-linux/lib",
      root + "/path-of-cuda/lib64",
      root + "/path-of-cuda/lib",
      root + "/path-of-cuda/targets/x86_64-linux/lib",
      "/built/with/lib",
      "/usr/local/cuda/lib64",
      root + "/conda/lib",
      root + "/venv/lib/python3.11/site-packages/nvidia/cu13/lib",
      root + "/venv/lib/python3.11/site-packages/nvidia/cublas/lib",
      root + "/usr/lib/python3/dist-packages/nvidia/cu13/lib",
      root + "/usr/lib/python3/dist-packages/nvidia/cublas/lib",
      root + "/home/.local/lib/python3.12/site-packages/nvidia/cu13/lib",
      root + "/home/.local/lib/python3.12/site-packages/nvidia/cublas/lib"};
  CHECK(cublas_folders(13, "/built/with/lib") == expected);
  CHECK(contains(cublas_folders(12, ""), root + "/venv/lib/python3.11/site-packages/nvidia/cu12/lib"));
}

TEST_CASE("cublas: nothing is set, and a toolkit that is named twice is listed once") {
  {
    const Environment nothing({});
    CHECK(cublas_folders(13, "") == std::vector<std::string>{"/usr/local/cuda/lib64"});
  }
  const Environment set({{"CUDA_HOME", "/usr/local/cuda"}, {"CUDA_PATH", "/usr/local/cuda"}});
  CHECK(cublas_folders(13, "/usr/local/cuda/lib64").size() == 3);
}

// Version 99: this machine has none.
TEST_CASE("cublas: the loader's own comes first, then the first folder that has one which opens") {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  const Environment set({{"CUDA_HOME", root + "/broken"}, {"CONDA_PREFIX", root + "/conda"}});
  const std::string broken = touch(root + "/broken/lib64/libcublas.so.99"),
                    whole = touch(root + "/conda/lib/libcublas.so.99");
  std::vector<std::string> asked;
  const auto listening = [&](const std::vector<std::string>& there) -> OpenLibrary {
    return [&asked, open = opens(there)](const std::string& file, std::string& why) {
      asked.push_back(file);
      return open(file, why);
    };
  };
  CHECK(find_cublas(99, "", listening({"libcublas.so.99", whole})) == &library);
  CHECK(asked == std::vector<std::string>{"libcublas.so.99"});
  asked.clear();
  CHECK(find_cublas(99, "", listening({whole})) == &library);
  // beside each its other half, without which it does not open
  CHECK(asked[1] == root + "/broken/lib64/libcublasLt.so.99");
  CHECK(asked[2] == broken);
  CHECK(asked.back() == whole);
}

TEST_CASE("cublas: where there is none, the error lists where it looked; one that does not open says why") {
  const TemporaryFolder folder;
  const std::string root = folder.path().string();
  const Environment set({{"CUDA_HOME", root + "/cuda"}});
  CHECK_THROWS_WITH_AS(
      find_cublas(99, root + "/build", opens({})),
      ("matmul: libcublas.so.99 is not found, which matrix products on CUDA need (libcublas.so.99: "
       "cannot open shared object file); looked on the loader's path, " +
       root + "/cuda/lib64, " + root + "/cuda/lib, " + root + "/cuda/targets/x86_64-linux/lib, " + root +
       "/build, /usr/local/cuda/lib64; install the CUDA 99 libraries (NVIDIA's packages, conda, or "
       "pip install nvidia-cublas), or name their folder in LD_LIBRARY_PATH")
          .c_str(),
      Error);
  const std::string broken = touch(root + "/cuda/lib64/libcublas.so.99");
  try {
    find_cublas(99, "", opens({}));
    FAIL("it was found");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find("(" + broken + ": cannot open shared object file)") !=
          std::string::npos);
  }
}

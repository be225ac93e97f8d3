// The house's rule: core <- ops <- nn <- models <- train. A folder includes only itself and those to its
// left.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "core/check.h"

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kFolders{"core", "ops", "nn", "models", "train"};

size_t place_of(const std::string& folder) {
  return static_cast<size_t>(std::find(kFolders.begin(), kFolders.end(), folder) - kFolders.begin());
}

/// "nn/linear.cpp includes models/llama.h", for each include that points right.
std::vector<std::string> wrong_arrows(const fs::path& root) {
  const std::regex include("^\\s*#\\s*include\\s*\"([a-z_]+)/([^\"]*)\"");
  std::vector<std::string> wrong;
  for (const std::string& folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".h" && ending != ".cpp" && ending != ".cu" && ending != ".cuh") continue;
      std::ifstream file(entry.path());
      std::smatch match;
      for (std::string line; std::getline(file, line);) {
        if (!std::regex_search(line, match, include)) continue;
        const bool known = place_of(match[1]) < kFolders.size();
        if (!known || place_of(match[1]) > place_of(folder)) {
          wrong.push_back(scca::concat(fs::relative(entry.path(), root).string(), " includes ",
                                       match[1].str(), "/", match[2].str()));
        }
      }
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("layout: no include points right") {
  for (const std::string& arrow : wrong_arrows(SCCA_SOURCE_DIR)) FAIL_CHECK(arrow);
}

TEST_CASE("layout: an include that points right would be seen") {
  const fs::path root = fs::temp_directory_path() / "scca_layout_test";
  for (const std::string& folder : kFolders) fs::create_directories(root / folder);
  std::ofstream(root / "ops" / "bad.h") << "#include \"core/tensor.h\"\n#include \"nn/linear.h\"\n";
  CHECK(wrong_arrows(root) == std::vector<std::string>{"ops/bad.h includes nn/linear.h"});
  fs::remove_all(root);
}

TEST_CASE("layout: every folder says what it is") {
  for (const std::string& folder : kFolders) {
    INFO(folder);
    CHECK(fs::exists(fs::path(SCCA_SOURCE_DIR) / folder / "README.md"));
  }
}

// The house's rule: core <- ops <- nn <- models <- train. A folder includes only itself and those to its
// left.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>

#include "core/check.h"

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kFolders{"core", "ops", "nn", "models", "train"};

size_t place_of(const std::string& folder) {
  return static_cast<size_t>(std::find(kFolders.begin(), kFolders.end(), folder) - kFolders.begin());
}

/// take(path below root, line) for every line of the sources below the folders.
void for_each_line(const fs::path& root,
                   const std::function<void(const std::string&, const std::string&)>& take) {
  for (const std::string& folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension().string();
      if (ending != ".h" && ending != ".cpp" && ending != ".cu" && ending != ".cuh") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) take(fs::relative(entry.path(), root).string(), line);
    }
  }
}

/// "nn/linear.cpp includes models/llama.h", for each include that points right.
std::vector<std::string> wrong_arrows(const fs::path& root) {
  const std::regex include("^\\s*#\\s*include\\s*\"([a-z_]+)/([^\"]*)\"");
  std::vector<std::string> wrong;
  for_each_line(root, [&](const std::string& file, const std::string& line) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) return;
    const bool known = place_of(match[1]) < kFolders.size();
    if (!known || place_of(match[1]) > place_of(file.substr(0, file.find('/'))))
      wrong.push_back(scca::concat(file, " includes ", match[1].str(), "/", match[2].str()));
  });
  return wrong;
}

/// The files that parse JSON, by any of the library's ways: a second place would have no bound on depth.
std::set<std::string> json_parsers(const fs::path& root) {
  const std::regex parse("json::(sax_)?(parse|accept|from_[a-z]+)\\s*\\(", std::regex::icase);
  std::set<std::string> files;
  for_each_line(root, [&](const std::string& file, const std::string& line) {
    if (line.find("son::") != line.npos && std::regex_search(line, parse)) files.insert(file);
  });
  return files;
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

TEST_CASE("layout: JSON is parsed in one place, which bounds its depth") {
  CHECK(json_parsers(SCCA_SOURCE_DIR) == std::set<std::string>{"nn/json.cpp"});
  const fs::path root = fs::temp_directory_path() / "scca_layout_json_test";
  for (const std::string& folder : kFolders) fs::create_directories(root / folder);
  std::ofstream(root / "nn" / "a.cpp") << "const Json x = nlohmann::json::parse(text);\n";
  std::ofstream(root / "train" / "b.cpp") << "const Json x = Json::from_cbor (bytes);\n";
  std::ofstream(root / "train" / "c.cpp") << "const Json x = parse_json(text, where);\n";
  CHECK(json_parsers(root) == std::set<std::string>{"nn/a.cpp", "train/b.cpp"});
  fs::remove_all(root);
}

TEST_CASE("layout: every folder says what it is") {
  for (const std::string& folder : kFolders) {
    INFO(folder);
    CHECK(fs::exists(fs::path(SCCA_SOURCE_DIR) / folder / "README.md"));
  }
}

// Which test holds which file: every stem (X.h, X.cpp, X.cu and X.cuh together) has a test of its own name,
// or a row in the table of tests/README.md that names the file that tests it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "core/check.h"
#include "tests/temporary_folder.h"

namespace fs = std::filesystem;

namespace {

const char* const kHeading = "## Stems without a test of their own name";

/// "core/tensor", "nn/patterns/local": every source file below the folders, without its ending.
std::set<std::string> stems_below(const fs::path& root) {
  std::set<std::string> stems;
  for (const char* folder : {"core", "ops", "nn", "models", "train"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string ending = entry.path().extension().string();
      if (ending == ".h" || ending == ".cpp" || ending == ".cu" || ending == ".cuh")
        stems.insert(fs::relative(entry.path(), root).replace_extension().string());
    }
  }
  return stems;
}

/// What stands between backticks.
std::vector<std::string> quoted(const std::string& text) {
  static const std::regex quote("`([^`]+)`");
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), quote), end; at != end; ++at)
    found.push_back((*at)[1]);
  return found;
}

struct Row {
  std::vector<std::string> stems, tests;
};

/// "| `core/memory`, `core/storage` | `core/tensor_test.cpp` |", each such line of the README's section.
std::vector<Row> table_of(const fs::path& readme) {
  std::vector<Row> rows;
  std::ifstream file(readme);
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line == kHeading;
    if (!inside || !line.starts_with("| `")) continue;
    const size_t middle = line.find('|', 1);
    rows.push_back({quoted(line.substr(0, middle)), quoted(line.substr(middle))});
  }
  return rows;
}

/// A sentence for each stem that nothing is said to test, and each row that says what is not so.
std::set<std::string> wrong_stems(const fs::path& root) {
  const std::set<std::string> stems = stems_below(root);
  std::set<std::string> wrong, listed;
  for (const Row& row : table_of(root / "tests" / "README.md")) {
    if (row.tests.empty()) wrong.insert(scca::concat(row.stems[0], ": its row names no test"));
    for (const std::string& test : row.tests)
      if (!fs::is_regular_file(root / "tests" / test)) wrong.insert(scca::concat("there is no tests/", test));
    for (const std::string& stem : row.stems) {
      if (!stems.contains(stem)) wrong.insert(scca::concat("there is no ", stem));
      if (!listed.insert(stem).second) wrong.insert(scca::concat(stem, " is listed twice"));
    }
  }
  for (const std::string& stem : stems) {
    const bool own = fs::is_regular_file(root / "tests" / (stem + "_test.cpp"));
    if (own && listed.contains(stem))
      wrong.insert(scca::concat(stem, " is listed and has a test of its own name"));
    if (!own && !listed.contains(stem))
      wrong.insert(scca::concat(stem, " has no test of its own name and no row"));
  }
  return wrong;
}

}  // namespace

TEST_CASE("stems: every stem has a test of its own name, or a row in tests/README.md that names its test") {
  for (const std::string& sentence : wrong_stems(SCCA_SOURCE_DIR)) FAIL_CHECK(sentence);
}

TEST_CASE("stems: what has no test, and a row that says what is not so, would be seen") {
  const scca::test::TemporaryFolder folder;
  const fs::path root = folder / "tree";
  for (const char* place : {"core", "ops", "nn/patterns", "models", "train", "tests/core", "tests/nn"})
    fs::create_directories(root / place);
  for (const char* file : {"core/own.h", "core/own.cpp", "core/listed.cpp", "core/both.h", "core/neither.cu",
                           "core/stale.h", "core/untold.h", "core/README.md", "nn/patterns/deep.cpp",
                           "tests/core/own_test.cpp", "tests/core/both_test.cpp", "tests/nn/all_test.cpp"})
    std::ofstream(root / file) << "\n";
  std::ofstream(root / "tests" / "README.md")
      << "# tests\n\n| `core/neither` | `core/own_test.cpp` |\n\n"
      << kHeading
      << "\n\n| stems | held by |\n|---|---|\n"
         "| `core/listed`, `nn/patterns/deep` | `nn/all_test.cpp` and more |\n"
         "| `core/both`, `core/listed` | `core/own_test.cpp` |\n"
         "| `core/gone` | `core/own_test.cpp` |\n"
         "| `core/stale` | `core/own_test.cpp`, `core/lost_test.cpp` |\n"
         "| `core/untold` | by nothing |\n\n"
         "## After\n\n| `core/neither` | `core/own_test.cpp` |\n";
  CHECK(wrong_stems(root) ==
        std::set<std::string>{
            "core/both is listed and has a test of its own name", "core/listed is listed twice",
            "core/neither has no test of its own name and no row", "core/untold: its row names no test",
            "there is no core/gone", "there is no tests/core/lost_test.cpp"});
}

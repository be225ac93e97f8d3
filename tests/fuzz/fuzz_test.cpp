// The fuzz targets' corpora, run with the other tests: inputs that once broke something, and those that reach
// far.
#include "tests/fuzz/fuzz.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "core/check.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

TEST_CASE("fuzz: every target takes its corpus, accepts some of it and refuses some of it in a line") {
  for (const FuzzTarget& target : fuzz_targets()) {
    CAPTURE(target.name);
    const fs::path corpus = fs::path(SCCA_SOURCE_DIR) / "tests/fuzz/corpus" / target.name;
    REQUIRE(fs::is_directory(corpus));
    int accepted = 0, refused = 0;
    for (const auto& entry : fs::directory_iterator(corpus)) {
      CAPTURE(entry.path().filename().string());
      std::ifstream file(entry.path(), std::ios::binary);  // read_text_file refuses a pointer of git LFS
      const std::string input(std::istreambuf_iterator<char>(file), {});
      CHECK_NOTHROW(++(run_fuzz(target, input) ? accepted : refused));
    }
    CHECK(accepted > 0);
    CHECK(refused > 0);
  }
}

TEST_CASE("fuzz: every corpus has its target") {
  for (const auto& entry : fs::directory_iterator(fs::path(SCCA_SOURCE_DIR) / "tests/fuzz/corpus")) {
    const auto named = [&](const FuzzTarget& target) { return target.name == entry.path().filename(); };
    CAPTURE(entry.path().string());
    CHECK(std::ranges::any_of(fuzz_targets(), named));
  }
}

TEST_CASE("fuzz: a broken promise and a foreign exception are no refusals") {
  const FuzzTarget broken{"broken", [](std::string_view) { promise(false, "kept ", 0); }};
  CHECK_THROWS_AS(run_fuzz(broken, ""), Broken);
  const FuzzTarget foreign{"foreign", [](std::string_view) { throw std::out_of_range("map::at"); }};
  CHECK_THROWS_AS(run_fuzz(foreign, ""), std::out_of_range);
  const FuzzTarget wordy{"wordy", [](std::string_view) { throw Error(std::string(100000, 'x')); }};
  CHECK_THROWS_AS(run_fuzz(wordy, ""), Broken);
}

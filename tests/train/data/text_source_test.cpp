#include "train/data/text_source.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using test::TemporaryFolder;

namespace {

/// "1:line|2:line|..."
std::string lines_of(const TemporaryFolder& folder, const std::string& content) {
  write_file(folder / "x", content);
  TextSource source(folder / "x");
  std::string lines;
  for (std::string_view line; source.next_line(line);)
    lines += std::to_string(source.line_number()) + ":" + std::string(line) + "|";
  return lines;
}

}  // namespace

TEST_CASE("text source: lines end with LF, CR LF or CR") {
  const TemporaryFolder folder;
  CHECK(lines_of(folder, "") == "");
  CHECK(lines_of(folder, "a") == "1:a|");
  CHECK(lines_of(folder, "a\nb\n") == "1:a|2:b|");
  CHECK(lines_of(folder, "a\r\nb\r\n") == "1:a|2:b|");
  CHECK(lines_of(folder, "a\rb\r") == "1:a|2:b|");
  CHECK(lines_of(folder, "\r\n\r\na") == "1:|2:|3:a|");
  CHECK(lines_of(folder,
                 "\xEF\xBB\xBF"
                 "a\nb") == "1:a|2:b|");
}

TEST_CASE("text source: a pair across the border of two reads is one line end") {
  const TemporaryFolder folder;
  constexpr size_t kBlock = size_t{1} << 20;
  for (const size_t before : {kBlock - 2, kBlock - 1, kBlock, 2 * kBlock - 1}) {
    CAPTURE(before);
    const std::string first(before, 'x');
    CHECK(lines_of(folder, first + "\r\nb") == "1:" + first + "|2:b|");
    CHECK(lines_of(folder, first + "\rb") == "1:" + first + "|2:b|");
    CHECK(lines_of(folder, first + "\r") == "1:" + first + "|");
  }
}

TEST_CASE("text source: many short lines and a long one, then the rest") {
  const TemporaryFolder folder;
  std::string content, expected;
  for (int i = 1; i < 200'000; ++i) content += std::to_string(i) + "\n";
  content += std::string(3'000'000, 'y') + "\nend";
  write_file(folder / "x", content);
  TextSource source(folder / "x");
  std::string_view line;
  for (int i = 1; i < 200'000; ++i) {
    REQUIRE(source.next_line(line));
    REQUIRE(line == std::to_string(i));
  }
  REQUIRE(source.next_line(line));
  CHECK(line.size() == 3'000'000);
  CHECK(source.rest() == "end");
  CHECK(source.beginning() == content.substr(0, 1 << 16));
}

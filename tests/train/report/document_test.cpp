#include "train/report/document.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::TemporaryFolder;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Document page() {
  return {.title = "A < B",
          .blocks = {Heading{"Part"}, Paragraph{"**bold**, `a<b>`, 2 ** 3 & \"x\""},
                     Table{.header = {"row", "n"}, .rows = {{"`x`", "1"}, {"y", "−2"}}},
                     Picture{"pictures/p.png", "what it shows"}}};
}

}  // namespace

TEST_CASE("document: Markdown") {
  CHECK(to_markdown(page()) ==
        "# A < B\n\n## Part\n\n**bold**, `a<b>`, 2 ** 3 & \"x\"\n\n| row | n |\n|---|---:|\n| `x` | 1 |\n| y "
        "| −2 |\n"
        "\n![what it shows](pictures/p.png)\n");
}

TEST_CASE("document: HTML is escaped, marked, and holds its pictures") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "pictures");
  // RFC 4648, section 10: "fooba" is "Zm9vYmE=".
  write_file(folder / "pictures/p.png", "fooba");
  const std::string html = to_html(page(), folder.path());
  CHECK(contains(html, "<title>A &lt; B</title>"));
  CHECK(contains(html, "<p><b>bold</b>, <code>a&lt;b&gt;</code>, 2 ** 3 &amp; &quot;x&quot;</p>"));
  CHECK(contains(html, "<tr><th>row</th><th>n</th></tr>"));
  CHECK(contains(html, "<tr><td><code>x</code></td><td>1</td></tr>"));
  CHECK(contains(html, "src=\"data:image/png;base64,Zm9vYmE=\""));
  CHECK(!contains(html, "pictures/p.png"));
}

TEST_CASE("document: base64 at every remainder") {
  const TemporaryFolder folder;
  for (const auto& [bytes, text] : {std::pair{"", "base64,\""},
                                    {"f", "base64,Zg==\""},
                                    {"fo", "base64,Zm8=\""},
                                    {"foo", "base64,Zm9v\""},
                                    {"foob", "base64,Zm9vYg==\""},
                                    {"foobar", "base64,Zm9vYmFy\""}}) {
    write_file(folder / "p.png", bytes);
    CHECK(contains(to_html({.title = "t", .blocks = {Picture{"p.png", ""}}}, folder.path()), text));
  }
  const std::string high("\xff\xfe\x00", 3);
  write_file(folder / "p.png", high);
  CHECK(contains(to_html({.title = "t", .blocks = {Picture{"p.png", ""}}}, folder.path()), "base64,//4A\""));
}

TEST_CASE("document: what does not fit is told") {
  const TemporaryFolder folder;
  CHECK_THROWS_AS(to_markdown(Table{.header = {"a", "b"}, .rows = {{"1"}}}), Error);
  CHECK(to_markdown(Table{.header = {"a"}, .rows = {{"@x|y.json"}}}) == "| a |\n|---|\n| @x\\|y.json |\n");
  CHECK_THROWS_AS(to_html(page(), folder.path()), Error);
}

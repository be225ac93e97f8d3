#include "models/tokenizer/text_form.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

std::string applied(std::string text, bool keep = false) {
  TextForm form(keep);
  form.apply(text);
  return text;
}

}  // namespace

TEST_CASE("text form: CR LF and CR become LF, a mark at the beginning goes") {
  const struct {
    std::string text, expected, kept;
  } cases[] = {
      {"", "", ""},
      {"a\nb\n", "a\nb\n", "a\nb\n"},
      {"a\r\nb\r\n", "a\nb\n", "a\r\nb\r\n"},
      {"a\rb\r", "a\nb\n", "a\rb\r"},
      {"\r", "\n", "\r"},
      {"\r\n", "\n", "\r\n"},
      {"\n\r", "\n\n", "\n\r"},
      {"\r\r\n\n", "\n\n\n", "\r\r\n\n"},
      {"a\r\n\rb\n", "a\n\nb\n", "a\r\n\rb\n"},
      {"\xEF\xBB\xBF", "", ""},
      {"\xEF\xBB\xBF\r\nx", "\nx", "\r\nx"},
      {"x\xEF\xBB\xBF", "x\xEF\xBB\xBF", "x\xEF\xBB\xBF"},  // a joiner there, and part of the text
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    CHECK(applied(c.text) == c.expected);
    CHECK(applied(c.text, true) == c.kept);
  }
}

TEST_CASE("text form: what was changed is counted") {
  TextForm form;
  for (std::string text : {"a\nb", "a\r\nb\r\n", "a\rb", "\xEF\xBB\xBFz"}) form.apply(text);
  CHECK(form.changes().text ==
        "line ends became LF in 2 of 4 texts (2 CR LF, 1 CR; keep_line_ends keeps them); a byte-order mark "
        "was dropped from 1 of 4 texts");
  TextForm plain, keeping(true);
  std::string text = "a\n", windows = "a\r\n";
  plain.apply(text);
  keeping.apply(windows);
  CHECK(plain.changes().text == "");
  CHECK(keeping.changes().text == "");
}

#include "train/data/text_parts.h"

#include <doctest/doctest.h>

#include <vector>

using namespace scca;

namespace {

size_t before_last_space(std::string_view text) {
  const size_t space = text.rfind(' ');
  return space == text.npos ? 0 : space;
}

/// "(one", " two", " three)": where the text begins and ends.
std::vector<std::string> parts_of(const std::vector<std::string>& blocks, const CutText& cut, size_t bytes) {
  TextParts parts(cut, bytes);
  std::vector<std::string> found;
  const auto take = [&] {
    for (Document part; parts.next(part);)
      found.push_back((part.begins ? "(" : "") + part.text + (part.ends ? ")" : ""));
  };
  for (const std::string& block : blocks) {
    parts.add(block);
    take();
  }
  parts.end();
  take();
  return found;
}

using Parts = std::vector<std::string>;

}  // namespace

TEST_CASE("text parts: a long text comes cut where it may be, a short one whole") {
  CHECK(parts_of({"one two three"}, before_last_space, 6) == Parts{"(one", " two", " three)"});
  CHECK(parts_of({"on", "e t", "wo thr", "ee"}, before_last_space, 6) == Parts{"(one", " two", " three)"});
  CHECK(parts_of({"one two three"}, before_last_space, 13) == Parts{"(one two three)"});
  CHECK(parts_of({"one two three"}, before_last_space, 12) == Parts{"(one two", " three)"});
  CHECK(parts_of({"one"}, before_last_space, 6) == Parts{"(one)"});
}

TEST_CASE("text parts: where no cut may be, a part grows; without cuts the text is one") {
  CHECK(parts_of({"a verylongword and more"}, before_last_space, 4) ==
        Parts{"(a", " verylongword", " and", " more)"});
  CHECK(parts_of({"abcdefghijkl", "mnop"}, before_last_space, 2) == Parts{"(abcdefghijklmnop)"});
  CHECK(parts_of({"one two", " three"}, {}, 2) == Parts{"(one two three)"});
}

TEST_CASE("text parts: an empty text has none, and the last part is never empty") {
  CHECK(parts_of({}, before_last_space, 4).empty());
  CHECK(parts_of({"", ""}, before_last_space, 4).empty());
  // Each block fills the window just so: the end of the text is not known before it has come.
  CHECK(parts_of({"one ", "two"}, before_last_space, 4) == Parts{"(one", " two)"});
  CHECK(parts_of({"one ", "two ", ""}, before_last_space, 4) == Parts{"(one", " two )"});
}

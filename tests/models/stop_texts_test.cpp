#include "models/stop_texts.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

/// What is shown of a text that comes in pieces, all of it checked to be certain when it is shown.
std::string shown(const std::vector<std::string>& stops, const std::string& text, size_t piece) {
  StopTexts stop(stops);
  std::string all;
  for (size_t at = 0; at < text.size(); at += piece) {
    all += stop.push(text.substr(at, piece));
    CHECK(text.starts_with(all));
  }
  return all + stop.finish();
}

}  // namespace

TEST_CASE("stop texts: a text is shown up to the earliest of them, in whatever pieces it comes") {
  for (size_t piece = 1; piece <= 12; ++piece) {
    CAPTURE(piece);
    CHECK(shown({"END"}, "one END two", piece) == "one ");
    CHECK(shown({"END"}, "END", piece) == "");
    CHECK(shown({"END"}, "one EN", piece) == "one EN");  // it did not come
    CHECK(shown({"END"}, "EENEND", piece) == "EEN");
    CHECK(shown({"aab"}, "aaaab", piece) == "aa");
    CHECK(shown({"abc", "b"}, "xabc", piece) == "xa");  // the first that is complete
    CHECK(shown({"b", "ab"}, "xabc", piece) == "x");
    CHECK(shown({"\n\n", "User:"}, "Hi\nUser: x\n\n", piece) == "Hi\n");
    CHECK(shown({}, "all of it", piece) == "all of it");
  }
}

TEST_CASE("stop texts: nothing is held back that cannot become one") {
  StopTexts stop({"\nUser:", "STOP"});
  CHECK(stop.push("Hello") == "Hello");
  CHECK(stop.push(" S") == " ");
  CHECK(stop.push("T") == "");
  CHECK(stop.push("\n") == "ST");
  CHECK(stop.push("User") == "");
  CHECK(!stop.stopped());
  CHECK(stop.push(": and more") == "");
  CHECK(stop.stopped());
  CHECK(stop.push("x") == "");
  CHECK(stop.finish() == "");
}

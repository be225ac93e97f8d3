#include "core/check.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

/// What stands in the text at each setting's place, and after it.
std::vector<std::string> at_settings(const Message& message) {
  std::vector<std::string> found;
  for (const auto& [place, setting] : message.settings) found.push_back(message.text.substr(place));
  return found;
}

}  // namespace

TEST_CASE("check: a message knows where its settings stand, those of messages in it too") {
  CHECK(Message("rank 3").settings.empty());
  const Message inner = message_of("no ", Setting("rank"), " 3");
  CHECK(inner.text == "no rank 3");
  CHECK(at_settings(inner) == std::vector<std::string>{"rank 3"});
  const Message outer = message_of(Setting("seed"), ": ", 12, inner, Setting("top_p"));
  CHECK(outer.text == "seed: 12no rank 3top_p");
  CHECK(at_settings(outer) == std::vector<std::string>{"seed: 12no rank 3top_p", "rank 3top_p", "top_p"});
  CHECK(concat(inner, 4, Setting("x")) == "no rank 34x");
}

TEST_CASE("check: an error says its settings by name, and keeps where they are") {
  try {
    fail<UsageError>(Setting("rank"), " ", 0, ": expected 1 or more");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "rank 0: expected 1 or more");
    CHECK(at_settings(error.message) == std::vector<std::string>{"rank 0: expected 1 or more"});
  }
}

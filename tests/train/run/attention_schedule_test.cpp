#include "train/run/attention_schedule.h"

#include <doctest/doctest.h>

#include <limits>

#include "core/check.h"

using namespace scca;

namespace {

std::string refusal(const std::string& text) {
  try {
    AttentionSchedule{text};
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("attention_schedule: one spec is that of every step") {
  const AttentionSchedule one("full@0,1;scca-fixed(chunk=32)");
  CHECK(one.phases().size() == 1);
  for (const int64_t step : {int64_t{1}, int64_t{1000}, std::numeric_limits<int64_t>::max()})
    CHECK(one.at(step).to_string() == "full@0,1;scca-fixed(chunk=32)");
  CHECK(one.to_string() == "full@0,1;scca-fixed(chunk=32)");
  CHECK(one.beyond(1).empty());
}

TEST_CASE("attention_schedule: a pattern is that of its last step too, the next one's begins behind it") {
  const AttentionSchedule grows("window(chunk=8)..2,full@0,1;local..5, full");
  REQUIRE(grows.phases().size() == 3);
  const auto at = [&](int64_t step) { return grows.at(step).to_string(); };
  CHECK(at(1) == "window(chunk=8)");
  CHECK(at(2) == "window(chunk=8)");
  CHECK(at(3) == "full@0,1;local");
  CHECK(at(5) == "full@0,1;local");
  CHECK(at(6) == "full");
  CHECK(at(std::numeric_limits<int64_t>::max()) == "full");
  CHECK(AttentionSchedule(grows.to_string()).to_string() == grows.to_string());
}

TEST_CASE("attention_schedule: phases that a run does not reach are named") {
  const AttentionSchedule grows("window(chunk=8)..2,local..5,full");
  CHECK(grows.beyond(1) == "local from step 3");
  CHECK(grows.beyond(2) == "local from step 3");
  CHECK(grows.beyond(3) == "full from step 6");
  CHECK(grows.beyond(5) == "full from step 6");
  CHECK(grows.beyond(6).empty());
}

TEST_CASE("attention_schedule: what is no schedule is refused in one line") {
  CHECK(refusal("window..20") ==
        "attention 'window..20': ends with step 20; expected a comma and the pattern of the steps behind it");
  CHECK(refusal("window..5,local..5,full").find("a pattern ends with step 5, expected one above 5") !=
        std::string::npos);
  CHECK(refusal("window..0,full").find("ends with step 0, expected one above 0") != std::string::npos);
  CHECK(refusal("window..99999999999999999999,full").find("99999999999999999999") != std::string::npos);
  CHECK(!refusal("..3,full").empty());
  CHECK(!refusal("window..3,").empty());
  CHECK(!refusal("window..3full").empty());
  CHECK(!refusal("window...3,full").empty());
}

#include "train/run/settings.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using test::error_of;

namespace {

TrainSettings good() {
  TrainSettings settings;
  settings.context = 64;
  return settings;
}

template <class Change>
std::string error_after(Change change) {
  TrainSettings settings = good();
  change(settings);
  return error_of([&] { check_settings(settings); });
}

}  // namespace

TEST_CASE("settings: a value without meaning is named with its flag") {
  CHECK(error_after([](TrainSettings&) {}) == "no error");
  CHECK(error_after([](TrainSettings& s) { s.context = 1; }) == "--context 1: expected 2 or more");
  CHECK(error_after([](TrainSettings& s) { s.steps = 0; }) == "--steps 0: expected 1 or more");
  CHECK(error_after([](TrainSettings& s) { s.batch = -1; }) == "--batch -1: expected 1 or more");
  CHECK(error_after([](TrainSettings& s) { s.lr = 0; }) == "--lr 0: expected a number above 0");
  CHECK(error_after([](TrainSettings& s) { s.clip = -1; }) ==
        "--clip -1: expected a number above 0, or 0 for no clipping");
  CHECK(error_after([](TrainSettings& s) { s.eval_every = 5; }) ==
        "--eval-every and --eval-data go together; --eval-data is missing");
  CHECK(error_after([](TrainSettings& s) { s.eval_data = {"x"}; }) ==
        "--eval-every and --eval-data go together; --eval-every is missing");
  // An evaluation that nobody asked for has no size.
  const auto long_rows = [](TrainSettings& s) { s.context = 1 << 17; };
  CHECK(error_after(long_rows) == "no error");
  CHECK(error_after([&](TrainSettings& s) { long_rows(s), s.eval_every = 5, s.eval_data = {"x"}; }) ==
        "--eval-tokens 65536: expected --context or more, as --eval-every is given");
  CHECK(error_after([](TrainSettings& s) { s.eval_tokens = 0; }) == "--eval-tokens 0: expected 1 or more");
}

TEST_CASE("settings: products that 64 bits cannot hold are refused by their flags") {
  CHECK(error_after([](TrainSettings& s) { s.batch = 33554431; }) == "no error");  // 2^31 - 64 tokens
  CHECK(error_after([](TrainSettings& s) { s.batch = 33554432; }) ==
        "--batch 33554432 x --context 64: expected at most 2147483647 tokens in a forward pass; use "
        "--grad-accum for "
        "larger steps");
  CHECK(error_after([](TrainSettings& s) {
          s.batch = s.context = INT64_MAX, s.eval_tokens = INT64_MAX;
        }).starts_with("--batch 9223372036854775807 x --context"));
  CHECK(error_after([](TrainSettings& s) { s.batch = 1 << 24, s.grad_accum = s.steps = 2147483647; }) ==
        "--steps 2147483647 x --grad-accum 2147483647 x --batch 16777216 x --context 64: are more than 2^63 "
        "tokens");
}

TEST_CASE("settings: a resumed run keeps what shapes its losses; steps may grow") {
  const auto difference = [](const std::string& key, const nlohmann::json& value) {
    const nlohmann::json before = to_json(good());
    nlohmann::json now = before;
    now[key] = value;
    return error_of([&] { check_same_settings(before, now, "RUN"); });
  };
  for (const char* free : {"steps", "save_every", "eval_every", "out", "data", "device"})
    CHECK(difference(free, 123) == "no error");
  CHECK(difference("lr", 0.5).starts_with("--lr is 0.5 but RUN began with 0.0002; only --steps may grow"));
  CHECK(difference("grad_accum", 2).starts_with("--grad-accum is 2 but RUN began with 1"));
  CHECK(difference("lora_rank", 4).starts_with("--lora-rank is 4 but RUN began with null"));
  // A run begun before there was a flag goes on as long as that is not given.
  CHECK(difference("a_later_flag", false) == "no error");
  CHECK(difference("a_later_flag", true).starts_with("--a-later-flag is true but RUN began with null"));
  CHECK(difference("data_fingerprint", "x")
            .starts_with(
                "--data: what it names differs from what RUN began with (by its hash: \"x\", not null)"));
  CHECK(difference("eval_data_fingerprint", "x").starts_with("--eval-data: what it names"));
}

TEST_CASE("settings: a flag is named before what follows from it, a field of config.json by its name") {
  const nlohmann::json before{{"data_fingerprint", "a"},
                              {"model_config", {{"eps", 1}, {"x", 2}}},
                              {"model_fingerprint", "b"},
                              {"seed", 5}};
  nlohmann::json now = before;
  now["model_fingerprint"] = "c";
  CHECK(first_difference(before, now, {}, "RUN").starts_with("--model: what it names"));
  CHECK(first_difference(before, now, {"model_fingerprint"}, "RUN") == "");
  now["model_config"]["x"] = 3;
  CHECK(first_difference(before, now, {}, "RUN") == "the model's config.json: x is 3 but RUN began with 2");
  now["model_config"] = {{"eps", 1}};
  CHECK(first_difference(before, now, {}, "RUN") ==
        "the model's config.json: x is null but RUN began with 2");
  now["seed"] = 6;
  CHECK(first_difference(before, now, {}, "RUN") == "--seed is 6 but RUN began with 5");
}

// What --checkpointing auto chooses, at the byte where it changes its mind.
#include "train/run/checkpointing.h"

#include <doctest/doctest.h>

#include <set>

#include "core/autograd.h"
#include "ops/add.h"
#include "ops/embedding.h"
#include "ops/linear_cross_entropy.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;

namespace {

constexpr int64_t kLayers = 5;

LlamaConfig config() {
  LlamaConfig config;
  config.vocab_size = 517;
  config.hidden_size = 48;
  config.intermediate_size = 136;
  config.num_hidden_layers = kLayers;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 12;
  config.max_position_embeddings = 64;
  return config;
}

TrainSettings settings() {
  TrainSettings settings;
  settings.context = 129;
  return settings;
}

struct Kind {
  const char* name;
  Learning learning;
};

/// What a fine-tuning and a training from nothing learn.
std::vector<Kind> kinds() {
  return {{"LoRA, embedding and norms", {LoraOptions{}, {"embed", "norm"}}},
          {"LoRA alone", {LoraOptions{}, {"none"}}},
          {"all", {{}, {"all"}}}};
}

MakeModel model(const Learning& learning, DType dtype = DType::f32) {
  return model_of(config(), dtype, Device::cpu, learning);
}

/// Every step there is: by kept layers, 0 to all, with attention's results in the others and without.
std::vector<StepPlan> all_steps(const MakeModel& make) {
  std::vector<StepPlan> all;
  for (int64_t kept = 0; kept <= kLayers; ++kept)
    for (const bool keeps_attention : {false, true})
      all.push_back(plan_step(make, settings(), {kLayers - kept, keeps_attention}));
  return all;
}

/// The definition: of those that fit the one of the fewest FLOPs, and of equals the smaller.
const StepPlan& quickest_of(const std::vector<StepPlan>& steps, int64_t room) {
  const StepPlan* best = &steps[0];
  for (const StepPlan& step : steps) {
    if (step.peak.total() > room) continue;
    const auto order = [](const StepPlan& s) { return std::pair(s.total_flops(), s.peak.total()); };
    if (order(step) < order(*best)) best = &step;
  }
  return *best;
}

/// The most that one forward and backward of the model takes.
int64_t peak_of(const MakeModel& make, int64_t checkpointed) {
  const Planning planning;
  const Llama model = make();
  const Tensor ids = Tensor::empty({1, settings().context}, DType::i32);
  reset_peak();
  backward(model.loss_of(
      ids, ids,
      {.attention = parse_attention_spec("full"), .training = true, .checkpointing = checkpointed}));
  return planning.peak(Device::cpu).total();
}

/// The same written out, with these layers checkpointed.
int64_t peak_with(const MakeModel& make, const std::set<size_t>& checkpointed) {
  const Planning planning;
  const Llama model = make();
  const int64_t tokens = settings().context;
  const Tensor ids = Tensor::empty({1, tokens}, DType::i32);
  const PlanPtr plan = parse_attention_spec("full").plan(tokens, 4, 0);
  const std::vector<double> angles(6, 1);
  const Pass pass{rope_table(angles, tokens, 1, DType::f32), 0, true};
  reset_peak();
  Tensor x = embedding(ids, model.embed_tokens_VD, DType::f32);
  for (size_t i = 0; i < model.layers.size(); ++i) {
    const auto layer = [&, i](const Tensor& in) { return model.layers[i](in, plan, pass, nullptr); };
    x = checkpointed.contains(i) ? checkpoint(layer, x) : layer(x);
  }
  x = rms_norm(x, model.norm_D, 1e-5);
  const Tensor loss = linear_cross_entropy(x, model.head(), ids.reshape({tokens}), kNoTarget);
  x = {};
  backward(loss);
  return planning.peak(Device::cpu).total();
}

}  // namespace

TEST_CASE("checkpointing auto: the fewest FLOPs of what fits, to the byte") {
  std::set<std::pair<int64_t, bool>> chosen;
  for (const Kind& kind : kinds()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      CAPTURE(kind.name);
      const MakeModel make = model(kind.learning, dtype);
      const std::vector<StepPlan> steps = all_steps(make);
      for (const StepPlan& at : steps) {
        for (const int64_t room : {at.peak.total() - 1, at.peak.total(), at.peak.total() + 1}) {
          const StepPlan step = quickest_step(make, settings(), room, There::nothing);
          const StepPlan& expected = quickest_of(steps, room);
          CHECK(step.total_flops() == expected.total_flops());
          CHECK(step.peak.total() == expected.peak.total());
          chosen.emplace(step.kept_layers(), step.keeps_attention());
        }
      }
      CHECK(quickest_step(make, settings(), INT64_MAX, There::nothing).kept_layers() == kLayers);
      const StepPlan least = quickest_step(make, settings(), 0, There::nothing);
      CHECK(least.kept_layers() == 0);
      CHECK(!least.keeps_attention());
    }
  }
  for (const int64_t kept : {int64_t{0}, int64_t{2}, kLayers}) CHECK(chosen.contains({kept, false}));
  for (const int64_t kept : {0, 2}) CHECK(chosen.contains({kept, true}));
}

TEST_CASE("checkpointing auto: one byte less is another step, beside what is there already") {
  const MakeModel make = model(kinds()[0].learning);
  const std::vector<StepPlan> steps = all_steps(make);
  for (const There there : {There::nothing, There::weights, There::model}) {
    for (const StepPlan& at : steps) {
      const StepPlan& step = quickest_of(steps, at.peak.total());
      const int64_t here = (there == There::nothing ? 0 : step.bytes(MemoryKind::weights)) +
                           (there == There::model ? step.bytes(MemoryKind::adapters) : 0);
      const int64_t room = step.peak.total() - here;
      CHECK(quickest_step(make, settings(), room, there).peak.total() == step.peak.total());
      if (&step == &steps[0]) continue;  // the least is taken whatever there is
      CHECK(quickest_step(make, settings(), room - 1, there).total_flops() > step.total_flops());
    }
  }
}

TEST_CASE("checkpointing auto: attention kept spares its second forward, and nothing else") {
  const MakeModel make = model(kinds()[0].learning);
  const auto with = [&](bool keeps) { return plan_step(make, settings(), {3, keeps}); };
  StepPlan again = with(false), kept = with(true);
  CHECK(kept.flops["matmul"] == again.flops["matmul"]);
  CHECK(kept.flops["attention_backward"] == again.flops["attention_backward"]);
  // five layers forward, of which three run twice
  CHECK(kept.flops["attention_forward"] / 5 == doctest::Approx(again.flops["attention_forward"] / 8));
  // f32: an output of [129, 48] and a number for each of 129 x 4 queries, in each of the three
  CHECK(kept.peak.total() - again.peak.total() <= 3 * (129 * 48 * 4 + 129 * 4 * 4 + 2 * 64));
  CHECK(kept.peak.total() > again.peak.total());
}

TEST_CASE("checkpointing auto: each layer kept spares its second forward, and the last ones cost least") {
  const MakeModel make = model({LoraOptions{}, {"norm"}});
  for (int64_t kept = 1; kept <= kLayers; ++kept)
    CHECK(plan_step(make, settings(), kLayers - kept).total_flops() <
          plan_step(make, settings(), kLayers - kept + 1).total_flops());
  // The arrangement of ForwardOptions against the other one. A model whose layers need more than its loss.
  const MakeModel wide = [] {
    LlamaConfig wide = config();
    wide.intermediate_size = 600;
    return model_of(wide, DType::f32, Device::cpu, {LoraOptions{}, {"norm"}})();
  };
  for (size_t kept = 1; kept < kLayers; ++kept) {
    std::set<size_t> first, last;
    for (size_t i = 0; i < kLayers; ++i) {
      if (i < kLayers - kept) first.insert(i);
      if (i >= kept) last.insert(i);
    }
    CHECK(peak_with(wide, first) < peak_with(wide, last));
    const auto checkpointed = static_cast<int64_t>(first.size());
    CHECK(peak_with(wide, {}) - peak_with(wide, first) == peak_of(wide, 0) - peak_of(wide, checkpointed));
  }
}

TEST_CASE("checkpointing: on and off are what they say, auto what fits") {
  const MakeModel make = model(kinds()[0].learning);
  TrainSettings asked = settings();
  CHECK(asked.checkpointing == "auto");
  const auto kept = [&](const char* word, int64_t room) {
    asked.checkpointing = word;
    return chosen_step(make, asked, room, There::nothing).kept_layers();
  };
  CHECK(kept("on", INT64_MAX) == 0);
  CHECK(kept("off", 0) == kLayers);
  CHECK(kept("auto", INT64_MAX) == kLayers);
  CHECK(kept("auto", 0) == 0);
  CHECK(kept("auto", plan_step(make, asked, 2).peak.total()) == 3);
  CHECK(plan_step(make, asked).kept_layers() == 0);  // the least that auto takes
}

TEST_CASE("checkpointing auto: a part of what is free is left alone, and nothing is taken that is unknown") {
  CHECK(room_for_step(-1) == 0);
  CHECK(room_for_step(100'000'000) == 0);
  CHECK(room_for_step(1'000'000'000) == 488'000'000);
  CHECK(room_for_step(8'192'000'000) == 7'680'000'000);
  CHECK(room_for_step(8'192'000'016) == 7'680'000'015);
  CHECK(room_for_step(80'000'000'000) == 75'000'000'000);
}

TEST_CASE("checkpointing auto: weights in a mapped file are wanted in memory") {
  Llama model = Llama::load(kModel);
  int64_t all = 0;
  model.for_each_parameter([&](const std::string&, const Tensor& weight) { all += weight.bytes(); });
  const auto left_out = [](const Llama& model) {  // of what has no other reserve than a fixed one
    return room_for_step(5'000'000'000) - room_for_step(5'000'000'000, model);
  };
  CHECK(left_out(model) == all);
  model.set_trainable({"embed"});  // copied, to be written
  CHECK(left_out(model) == all - static_cast<int64_t>(model.embed_tokens_VD.bytes()));
  CHECK(left_out(Llama::load(kModel, DType::bf16)) == 0);
  CHECK(room_for_step(-1, model) == 0);
}

TEST_CASE("checkpointing auto: a run says what it keeps, and its steps take what the plan of that says") {
  const Workplace place;
  std::map<std::string, std::pair<int64_t, std::string>> runs;  // highest bytes, what was said
  for (const char* word : {"on", "off", "auto"}) {
    const RunResult run = run_scca(place.finetune(word, 3, {"--checkpointing", word}));
    REQUIRE(run.code == 0);
    const auto lines = read_text_file(place.folder / word / "metrics.jsonl");
    runs[word] = {nlohmann::json::parse(lines.substr(0, lines.find('\n')))["peak_bytes"], run.err};
    CHECK(place.metrics(word) == place.metrics("on"));
    CHECK(place.adapter(word) == place.adapter("on"));
  }
  CHECK(runs["on"].first < runs["off"].first);
  CHECK(runs["auto"].first == runs["off"].first);
  CHECK(contains(runs["auto"].second, "; checkpointing auto: 5 of 5 layers kept; predicted peak memory "));
  for (const char* word : {"on", "off"}) CHECK(!contains(runs[word].second, "layers kept"));
  const RunResult usual = run_scca(place.finetune("usual", 3));
  CHECK(contains(usual.err, "checkpointing auto: 5 of 5"));
  // A resumed run may choose anew.
  const RunResult resumed = run_scca(place.finetune("on", 5, {"--checkpointing", "auto", "--resume"}));
  CHECK(resumed.code == 0);
  REQUIRE(run_scca(place.finetune("off", 5, {"--checkpointing", "on", "--resume"})).code == 0);
  CHECK(place.adapter("on") == place.adapter("off"));
  CHECK(place.metrics("on") == place.metrics("off"));
}

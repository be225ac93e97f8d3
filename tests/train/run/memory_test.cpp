// The predicted peak of a training step against the counters of a real one, over what changes it.
#include "train/run/memory.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "core/autograd.h"
#include "core/random.h"
#include "core/storage.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "train/run/optimizer.h"

using namespace scca;
using namespace scca::test;

namespace {

/// What is learned, of which shape, and how.
struct Case {
  std::string name;
  LlamaConfig config;
  DType dtype = DType::f32;
  std::optional<LoraOptions> lora = LoraOptions{};
  std::set<std::string> learning{"embed", "norm"};
  TrainSettings train;
};

/// Sizes that none of the terms vanish in: 3 blocks, a vocabulary and a feed-forward layer of odd widths.
LlamaConfig small_config() {
  LlamaConfig config;
  config.vocab_size = 517;
  config.hidden_size = 48;
  config.intermediate_size = 136;
  config.num_hidden_layers = 3;
  config.num_attention_heads = config.num_key_value_heads = 4;
  config.head_dim = 12;
  config.max_position_embeddings = 64;
  return config;
}

Case small_case(const std::string& name) {
  Case c{.name = name, .config = small_config(), .train = {}};
  c.train.context = 129;
  c.train.batch = 2;
  return c;
}

Llama model_of(const Case& c, Device device = Device::cpu) {
  Llama model = Llama::initialised(c.config, 3);
  model.dtype = c.dtype;
  model.for_each_parameter([&](const std::string&, Tensor& weight) { weight = cast(weight, c.dtype); });
  model.to(device);
  if (c.lora) model.add_lora(*c.lora);
  model.set_trainable(c.learning);
  return model;
}

Tensor ids_of(const Case& c) {
  Tensor ids = Tensor::empty({c.train.batch, c.train.context}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data<int32_t>()[i] =
        static_cast<int32_t>(philox(9, static_cast<uint64_t>(i))[0] % c.config.vocab_size);
  return ids;
}

/// Bytes of a step at its highest, over what was live before the model was made.
int64_t measured_peak(const Case& c, Device device) {
  const int64_t before = memory_counters(device).live_bytes;
  Llama model = model_of(c, device);
  Optimizer optimizer(model);
  const ForwardOptions forward{.attention = parse_attention_spec(c.train.attention),
                               .training = true,
                               .checkpointing = c.train.checkpointing};
  reset_peak(device);
  for (int64_t pass = 0; pass < c.train.grad_accum; ++pass) backward(model.loss(ids_of(c), forward));
  optimizer.step(1, {.lr = 1e-4}, std::min(1.0, 1 / optimizer.gradient_norm()));
  return memory_counters(device).peak_bytes - before;
}

/// The limit is 5 %; the rest is what the estimate leaves out: the 64 bytes that blocks are rounded
/// to.
void check_estimate(const Case& c, Device device = Device::cpu) {
  const MemoryEstimate estimate =
      estimate_memory(shape_of(c.config, c.dtype, device, c.lora, c.learning), c.train);
  const int64_t measured = measured_peak(c, device);
  CAPTURE(c.name);
  CAPTURE(describe(estimate));
  CAPTURE(estimate.moment);
  CAPTURE(measured);
  CHECK(std::abs(static_cast<double>(estimate.total()) / static_cast<double>(measured) - 1) <= 0.05);
}

std::vector<Case> grid() {
  std::vector<Case> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const bool checkpointing : {false, true}) {
      for (const int64_t grad_accum : {1, 2}) {
        for (const std::set<std::string>& learning :
             {std::set<std::string>{"embed", "norm"}, {"all"}, {"none"}, {"norm"}, {"head"}}) {
          Case c = small_case(concat(name_of(dtype), checkpointing ? ", checkpointing" : "", ", grad-accum ",
                                     grad_accum, ", --train ", *learning.begin()));
          c.dtype = dtype;
          c.learning = learning;
          c.train.checkpointing = checkpointing;
          c.train.grad_accum = grad_accum;
          cases.push_back(c);
        }
      }
    }
  }
  return cases;
}

}  // namespace

std::vector<Case> others() {
  std::vector<Case> cases;
  const std::set<std::string> everywhere{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                         "gate_proj", "up_proj", "down_proj"};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const bool checkpointing : {false, true}) {
      const auto add = [&](const std::string& name, const std::function<void(Case&)>& change) {
        Case c = small_case(concat(name, ", ", name_of(dtype), checkpointing ? ", checkpointing" : ""));
        c.dtype = dtype;
        c.train.checkpointing = checkpointing;
        change(c);
        cases.push_back(c);
      };
      add("LoRA everywhere", [&](Case& c) { c.lora->targets = everywhere; });
      add("dropout", [&](Case& c) { c.lora->dropout = 0.1; });
      add("dropout everywhere", [&](Case& c) { c.lora->targets = everywhere, c.lora->dropout = 0.1; });
      add("LoRA on v and up, nothing else", [](Case& c) {
        c.lora->targets = {"v_proj", "up_proj"};
        c.learning = {"none"};
      });
      add("no LoRA", [](Case& c) { c.lora.reset(), c.learning = {"all"}; });
      add("head only", [](Case& c) { c.lora.reset(), c.learning = {"head"}; });
      add("norms only", [](Case& c) { c.lora.reset(), c.learning = {"norm"}; });
      add("tied", [](Case& c) { c.config.tie_word_embeddings = true; });
      add("tied, all, accumulated", [](Case& c) {
        c.config.tie_word_embeddings = true;
        c.learning = {"all"};
        c.train.grad_accum = 3;
      });
      add("grouped queries", [](Case& c) { c.config.num_key_value_heads = 1; });
      add("wide heads", [](Case& c) { c.config.head_dim = 40; });
      add("a large vocabulary", [](Case& c) { c.config.vocab_size = 3072; });
      add("a wide feed-forward layer of 1024",
          [](Case& c) { c.config.intermediate_size = 1024, c.learning = {"all"}; });
      add("a long row", [](Case& c) { c.train.batch = 1, c.train.context = 700; });
      add("two tokens", [](Case& c) { c.train.batch = 1, c.train.context = 2; });
      add("a sparse pattern", [](Case& c) { c.train.attention = "scca-fixed(chunk=32)"; });
    }
  }
  return cases;
}

TEST_CASE("estimate_memory: where LoRA lies, dropout, the model's shape, the row's length") {
  for (const Case& c : others()) check_estimate(c);
}

TEST_CASE("estimate_memory: precision, checkpointing, accumulation, what learns") {
  for (const Case& c : grid()) check_estimate(c);
}

TEST_CASE("estimate_memory: other devices") {
  for (const Device device : other_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const bool checkpointing : {false, true}) {
        Case c = small_case(concat(name_of(dtype), checkpointing ? ", checkpointing" : ""));
        c.dtype = dtype;
        c.train.checkpointing = checkpointing;
        check_estimate(c, device);
        c.config.num_key_value_heads = 2;
        c.config.tie_word_embeddings = true;
        c.lora->dropout = 0.1;
        check_estimate(c, device);
      }
    }
  }
}

TEST_CASE("shape_of: a config says what the model made of it has") {
  for (const char* target : {"q_proj", "down_proj"}) {
    for (const std::set<std::string>& learning :
         {std::set<std::string>{"embed", "norm"}, {"head"}, {"all"}, {"none"}}) {
      Case c = small_case("");
      c.lora->targets = {target};
      c.learning = learning;
      Llama model = model_of(c);
      const ModelShape there = shape_of(model),
                       planned = shape_of(c.config, c.dtype, Device::cpu, c.lora, learning);
      REQUIRE(there.parameters.size() == planned.parameters.size());
      CHECK(there.learning_numbers() == planned.learning_numbers());
      for (size_t i = 0; i < there.parameters.size(); ++i) {
        CHECK(there.parameters[i].name == planned.parameters[i].name);
        CHECK(there.parameters[i].shape == planned.parameters[i].shape);
        CHECK(there.parameters[i].learns == planned.parameters[i].learns);
      }
    }
  }
  const LlamaConfig config = small_config();
  CHECK_THROWS_AS(
      shape_of(config, DType::f32, Device::cpu, LoraOptions{.targets = {"q_proj", "quack"}}, {"none"}),
      UsageError);
  CHECK_THROWS_AS(shape_of(config, DType::f32, Device::cpu, {}, {"emebd"}), UsageError);
}

TEST_CASE("longest_context: the last that fits") {
  const Case c = small_case("");
  const ModelShape shape = shape_of(c.config, c.dtype, Device::cpu, c.lora, c.learning);
  const auto total = [&](int64_t context) {
    TrainSettings settings = c.train;
    settings.context = context;
    return estimate_memory(shape, settings).total();
  };
  for (const int64_t bytes : {10'000'000, 123'456'789}) {
    const int64_t longest = longest_context(shape, c.train, bytes);
    CHECK(longest > 0);
    CHECK(total(longest) <= bytes);
    CHECK(total(longest + 256) > bytes);
  }
  CHECK(longest_context(shape, c.train, 1'000'000) == 0);
}

TEST_CASE("check_memory: what is missing is said in figures") {
  MemoryEstimate estimate;
  estimate.weights = 5'000'000'000, estimate.activations = 2'000'000'000;
  CHECK_NOTHROW(check_memory(estimate, 2'000'000'000));  // the weights are there
  CHECK_NOTHROW(check_memory(estimate, -1));
  CHECK_THROWS_WITH_AS(check_memory(estimate, 1'999'999'999), doctest::Contains("7.0 GB"), Error);
}

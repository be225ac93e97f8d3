// The planned peak of a training step against the counters of real ones, to the byte, over what changes it.
#include "train/run/memory.h"

#include <doctest/doctest.h>

#include <functional>

#include "core/autograd.h"
#include "core/random.h"
#include "core/storage.h"
#include "tests/op_check.h"
#include "train/run/attention_schedule.h"
#include "train/run/optimizer.h"
#include "train/run/step.h"

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
  Checkpointing checkpointing = {};
  BaseDType base = BaseDType::same;

  ParameterDTypes kept() const { return parameter_dtypes(base, dtype, nullptr); }
};

const Checkpointing kCheckpointings[] = {0, 1, 2, kAllLayers, {2, true}, {kAllLayers, true}};  // of three

std::string name_of(const Checkpointing& c) {
  return concat("checkpointed layers ", c.layers, c.keeps_attention ? " but for attention" : "");
}

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

/// The same with all that tells this family from LLaMA: biases, norms of heads, a window.
LlamaConfig small_config(const Family& family) {
  LlamaConfig config = small_config();
  config.family = &family;
  config.num_key_value_heads = 2;
  config.attention_bias = family.attention_bias;
  config.mlp_bias = family.mlp_bias;
  if (family.windows != Windows::none) config.sliding_window = 50;
  if (family.windows == Windows::some_layers) config.full_layers = {1};
  return config;
}

Case small_case(const std::string& name) {
  Case c{.name = name, .config = small_config(), .train = {}};
  c.train.context = 129;
  c.train.batch = 2;
  return c;
}

Llama real_model(const Case& c, Device device = Device::cpu) {
  Llama model = Llama::initialised(c.config, 3, c.dtype, c.kept());
  model.to(device);
  if (c.lora) model.add_lora(*c.lora);
  model.set_trainable(c.learning);
  return model;
}

MakeModel planned_model(const Case& c, Device device = Device::cpu) {
  return model_of(c.config, c.dtype, device, {c.lora, c.learning}, c.kept());
}

RowBatch rows_of(const Case& c) {
  Tensor ids = Tensor::empty({c.train.batch, c.train.context}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data<int32_t>()[i] =
        static_cast<int32_t>(philox(9, static_cast<uint64_t>(i))[0] % c.config.vocab_size);
  return {.ids = ids, .targets = next_tokens(ids), .predictions = c.train.batch * (c.train.context - 1)};
}

/// Bytes of two steps under each attention at their highest, over what was live before the model was made.
int64_t measured_peak(const Case& c, Device device) {
  const int64_t before = memory_counters(device).live_bytes;
  Llama model = real_model(c, device);
  Optimizer optimizer(model);
  const AttentionSchedule attention(training_attention(c.train, c.config));
  reset_peak(device);
  for (int64_t step = 1; step <= 2 * std::ssize(attention.phases()); ++step) {
    const ForwardOptions forward{
        .attention = attention.at(step), .training = true, .checkpointing = c.checkpointing};
    const int64_t passes = c.train.grad_accum, predictions = c.train.batch * (c.train.context - 1);
    forward_backward(model, forward, {passes, passes * predictions}, [&](int64_t) { return rows_of(c); });
    optimizer.step(step, {.lr = 1e-4}, std::min(1.0, 1 / optimizer.gradient_norm()));
  }
  return memory_counters(device).peak_bytes - before;
}

void check_plan(const Case& c, Device device = Device::cpu) {
  CAPTURE(c.name);
  const StepPlan plan = plan_step(planned_model(c, device), c.train, c.checkpointing);
  CAPTURE(describe(plan));
  CAPTURE(plan.peak.where.to_string());
  CAPTURE(plan.peak.kernel_name());
  CHECK(plan.peak.total() == measured_peak(c, device));
}

std::vector<Case> grid() {
  std::vector<Case> cases;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    for (const Checkpointing& checkpointing : kCheckpointings) {
      for (const int64_t grad_accum : {1, 2}) {
        for (const std::set<std::string>& learning :
             {std::set<std::string>{"embed", "norm"}, {"all"}, {"none"}, {"norm"}, {"head"}}) {
          Case c = small_case(concat(name_of(dtype), ", ", name_of(checkpointing), ", grad-accum ",
                                     grad_accum, ", --train ", *learning.begin()));
          c.dtype = dtype;
          c.learning = learning;
          c.checkpointing = checkpointing;
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
    for (const Checkpointing& checkpointing : kCheckpointings) {
      const auto add = [&](const std::string& name, const std::function<void(Case&)>& change) {
        Case c = small_case(concat(name, ", ", name_of(dtype), ", ", name_of(checkpointing)));
        c.dtype = dtype;
        c.checkpointing = checkpointing;
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
      for (const BaseDType base : {BaseDType::q8_0, BaseDType::nf4}) {
        add(concat("a base in few bits ", static_cast<int>(base)), [&](Case& c) {
          c.config.hidden_size = 64, c.config.head_dim = 16, c.config.intermediate_size = 192;
          c.base = base;
        });
      }
      for (const Family& family : families()) {
        add(family.model_type, [&](Case& c) { c.config = small_config(family); });
        add(concat(family.model_type, ", all, accumulated"), [&](Case& c) {
          c.config = small_config(family);
          c.learning = {"all"};
          c.train.grad_accum = 3;
        });
      }
    }
  }
  return cases;
}

TEST_CASE("plan_step: where LoRA lies, dropout, the model's shape, the row's length") {
  for (const Case& c : others()) check_plan(c);
}

TEST_CASE("plan_step: precision, checkpointing, accumulation, what learns") {
  for (const Case& c : grid()) check_plan(c);
}

TEST_CASE("plan_step: attention that changes over the steps; FLOPs are the mean over its patterns") {
  std::vector<Device> devices = other_devices();
  devices.push_back(Device::cpu);
  for (const Device device : devices) {
    for (const char* attention : {"local(chunk=3)..1,full..3,scca-flow", "full..2,local(chunk=3)"}) {
      Case c = small_case(attention);
      c.train.attention = attention;
      check_plan(c, device);
    }
  }
  Case c = small_case("flops");
  const auto flops = [&](const char* attention) {
    c.train.attention = attention;
    return plan_step(planned_model(c), c.train).total_flops();
  };
  CHECK(flops("local(chunk=3)..1,full") == doctest::Approx((flops("local(chunk=3)") + flops("full")) / 2));
}

TEST_CASE("plan_step: other devices") {
  for (const Device device : other_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const Checkpointing& checkpointing : kCheckpointings) {
        Case c = small_case(concat(name_of(dtype), ", ", name_of(checkpointing)));
        c.dtype = dtype;
        c.checkpointing = checkpointing;
        check_plan(c, device);
        c.config.num_key_value_heads = 2;
        c.config.tie_word_embeddings = true;
        c.lora->dropout = 0.1;
        check_plan(c, device);
      }
    }
  }
}

TEST_CASE(
    "plan_step: a model that is there, its LoRA and what learns are planned as one that is only described") {
  for (const char* target : {"q_proj", "down_proj"}) {
    for (const std::set<std::string>& learning :
         {std::set<std::string>{"embed", "norm"}, {"head"}, {"all"}, {"none"}}) {
      Case c = small_case("");
      c.lora->targets = {target};
      c.learning = learning;
      const Llama model = real_model(c);
      const int64_t live = memory_counters().live_bytes;
      const StepPlan there = plan_step(model_like(model), c.train),
                     described = plan_step(planned_model(c), c.train);
      CHECK(memory_counters().live_bytes == live);
      CHECK(there.peak.bytes == described.peak.bytes);
      CHECK(there.learning == described.learning);
      CHECK(there.parameters == described.parameters);
      const Llama base = Llama::initialised(c.config, 3);
      CHECK(plan_step(model_like(base, {c.lora, c.learning}), c.train).peak.bytes == described.peak.bytes);
    }
  }
}

TEST_CASE("plan_step: the kinds are what their owners hold") {
  Case c = small_case("");
  c.train.checkpointing = "on";
  const StepPlan plan = plan_step(planned_model(c), c.train);
  Llama model = real_model(c);
  int64_t weights = 0, adapters = 0, learning = 0;
  model.for_each_parameter([&](const std::string& name, const Tensor& weight) {
    const auto bytes = static_cast<int64_t>(counted_bytes(weight.bytes(), Device::cpu));
    (name.find(".lora_") == std::string::npos ? weights : adapters) += bytes;
    learning += weight.requires_grad() ? bytes : 0;
  });
  CHECK(plan.bytes(MemoryKind::weights) == weights);
  CHECK(plan.bytes(MemoryKind::adapters) == adapters);
  CHECK(plan.bytes(MemoryKind::optimizer) == 2 * learning);
  CHECK(plan.bytes(MemoryKind::activations) > 0);
  CHECK(plan.bytes(MemoryKind::workspace) > 0);
  c.train.checkpointing = "off";
  CHECK(plan_step(planned_model(c), c.train).bytes(MemoryKind::activations) >
        plan.bytes(MemoryKind::activations));
  c.train.grad_accum = 2;  // the first pass's gradients are there in the second
  const StepPlan accumulated = plan_step(planned_model(c), c.train);
  CHECK(accumulated.bytes(MemoryKind::gradients) == learning);
}

TEST_CASE(
    "plan_step: FLOPs, of which a product has 2 m n k and a visible pair 4 and 10 a number of the head's "
    "width") {
  Case c = small_case("");
  c.lora.reset();
  c.learning = {"norm"};
  c.train.attention = "full";
  c.train.checkpointing = "off";
  const double tokens = static_cast<double>(c.train.batch * c.train.context), width = 48, inner = 136,
               words = 517;
  const double of_block = 2 * tokens * (4 * width * width + 3 * width * inner),
               head = 2 * tokens * width * words;
  const double pairs = 2.0 * 3 * 4 * 129 * 130 / 2;  // rows, blocks, heads
  const StepPlan plan = plan_step(planned_model(c), c.train);
  // Each product of a block once more in backward, for the gradient of its input; q, k and v of the first
  // too, since the norm before them learns. The loss's takes the gradient of the hidden states.
  CHECK(plan.flops.at("matmul") == doctest::Approx(2 * (3 * of_block + head)).epsilon(1e-12));
  CHECK(plan.flops.at("attention_forward") == doctest::Approx(4 * pairs * 12).epsilon(1e-12));
  CHECK(plan.flops.at("attention_backward") == doctest::Approx(10 * pairs * 12).epsilon(1e-12));
  c.train.grad_accum = 5;
  CHECK(plan_step(planned_model(c), c.train).total_flops() ==
        doctest::Approx(5 * plan.total_flops()).epsilon(1e-12));
}

TEST_CASE("plan_step: a device that is not here; what cannot be planned") {
  Case c = small_case("");
  const StepPlan plan = plan_step(planned_model(c, Device::cuda), c.train);
  CHECK(plan.device == Device::cuda);
  CHECK(plan.peak.total() > 0);
  CHECK_FALSE(planning());
  c.learning = {"emebd"};
  CHECK_THROWS_AS(plan_step(planned_model(c), c.train), UsageError);
  c.learning = {"none"};
  c.lora->targets = {"q_proj", "quack"};
  CHECK_THROWS_AS(plan_step(planned_model(c), c.train), UsageError);
  c.lora.reset();
  CHECK_THROWS_AS(plan_step(planned_model(c), c.train), UsageError);
  CHECK_FALSE(planning());
}

TEST_CASE("longest_context: the last that fits") {
  const Case c = small_case("");
  const auto total = [&](int64_t context) {
    TrainSettings settings = c.train;
    settings.context = context;
    return plan_step(planned_model(c), settings).peak.total();
  };
  for (const int64_t bytes : {10'000'000, 123'456'789}) {
    const int64_t longest = longest_context(planned_model(c), c.train, bytes);
    CHECK(longest > 0);
    CHECK(total(longest) <= bytes);
    CHECK(total(longest + 256) > bytes);
  }
  CHECK(longest_context(planned_model(c), c.train, 1'000'000) == 0);
}

TEST_CASE("check_memory: what is missing is said in figures") {
  StepPlan plan;
  plan.peak.bytes[static_cast<size_t>(MemoryKind::weights)] = 5'000'000'000;
  plan.peak.bytes[static_cast<size_t>(MemoryKind::adapters)] = 1'000'000'000;
  plan.peak.bytes[static_cast<size_t>(MemoryKind::activations)] = 2'000'000'000;
  CHECK_NOTHROW(check_memory(plan, 2'000'000'000, There::model));
  CHECK_NOTHROW(check_memory(plan, -1, There::nothing));
  CHECK_THROWS_WITH_AS(check_memory(plan, 1'999'999'999, There::model), doctest::Contains("8.0 GB"), Error);
  CHECK_NOTHROW(check_memory(plan, 3'000'000'000, There::weights));
  CHECK_THROWS_AS(check_memory(plan, 2'999'999'999, There::weights), Error);
  CHECK_THROWS_AS(check_memory(plan, 7'999'999'999, There::nothing), Error);
  plan.peak.bytes[static_cast<size_t>(MemoryKind::activations)] = int64_t{1} << 60;  // no machine has this
  TrainSettings settings;
  CHECK_THROWS_WITH_AS(check_memory(plan, settings, There::nothing), doctest::Contains("--force starts"),
                       Error);
  settings.force = true;
  CHECK_NOTHROW(check_memory(plan, settings, There::nothing));
}

// Fine-tuning on a device: the losses of the CPU, with dropout's same masks.
#include <doctest/doctest.h>

#include <cmath>
#include <fstream>

#include "core/autograd.h"
#include "core/random.h"
#include "models/generate.h"
#include "tests/op_check.h"
#include "train/run/optimizer.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

struct Run {
  DType dtype = DType::f32;
  Checkpointing checkpointing = {};
  std::string attention = "scca-fixed(chunk=17)";
};

Llama model_on(Device device, DType dtype) {
  Llama model = Llama::load(kModel, dtype);
  model.to(device);
  set_random_state({3, 0});
  model.add_lora({.rank = 3, .dropout = 0.1});
  model.set_trainable({"embed", "norm"});
  return model;
}

/// Rows of ids that rise by steps of their own: something to learn in ten steps.
Tensor batch(int64_t step, int64_t vocabulary) {
  Tensor ids = Tensor::empty({2, 33}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data<int32_t>()[i] = static_cast<int32_t>((i % 33 * (i / 33 + 1 + step % 3) + 7) % vocabulary);
  return ids;
}

/// Losses and gradient norms of ten steps of LoRA, embedding and norms, dropout and clipping.
std::vector<double> ten_steps(Device device, const Run& run) {
  Llama model = model_on(device, run.dtype);
  Optimizer optimizer(model);
  const ForwardOptions options{
      .attention = parse_attention_spec(run.attention), .training = true, .checkpointing = run.checkpointing};
  std::vector<double> figures;
  for (int64_t step = 0; step < 10; ++step) {
    const Tensor loss = model.loss(batch(step, model.config.vocab_size), options);
    backward(loss);
    const double norm = optimizer.gradient_norm();
    optimizer.step(step + 1, {.lr = 2e-3, .weight_decay = 0.01}, std::min(1.0, 1 / norm));
    figures.insert(figures.end(), {loss.item(), norm});
  }
  return figures;
}

double largest_relative_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(a[i]));
    worst = std::max(worst, std::abs(a[i] - b[i]) / std::abs(b[i]));
  }
  return worst;
}

}  // namespace

TEST_CASE("device: ten steps of fine-tuning give the CPU's losses and gradient norms") {
  for (const Device device : other_devices()) {
    const std::vector<double> on_cpu = ten_steps(Device::cpu, {}), on_device = ten_steps(device, {});
    CHECK(on_cpu[18] < on_cpu[0]);  // it learns
    // 2^-24 of rounding in some hundred sums a step; a step's difference grows in those that follow.
    CHECK(largest_relative_difference(on_device, on_cpu) <= 1e-4);
    CHECK(ten_steps(device, {}) == on_device);
    for (const int64_t layers : {int64_t{2}, kAllLayers})
      CHECK(ten_steps(device, {.checkpointing = layers}) == on_device);
  }
}

TEST_CASE("device: bf16 stays as near to f32 as it does on the CPU") {
  for (const Device device : other_devices()) {
    const std::vector<double> exact = ten_steps(Device::cpu, {});
    const double on_cpu = largest_relative_difference(ten_steps(Device::cpu, {.dtype = DType::bf16}), exact);
    CHECK(largest_relative_difference(ten_steps(device, {.dtype = DType::bf16}), exact) <= 2 * on_cpu);
  }
}

TEST_CASE("device: generation with a cache says what the CPU says") {
  for (const Device device : other_devices()) {
    Llama on_cpu = Llama::load(kModel), on_device = Llama::load(kModel);
    on_device.to(device);
    const SamplingOptions options{.max_tokens = 12, .temperature = 0};
    CHECK(generate(on_device, {1, 403, 407}, options) == generate(on_cpu, {1, 403, 407}, options));
  }
}

TEST_CASE("device: memory is back where it was, and ids are given in host memory") {
  for (const Device device : other_devices()) {
    const int64_t before = memory_counters(device).live_bytes;
    {
      Llama model = model_on(device, DType::f32);
      CHECK(memory_counters(device).live_bytes > before);
      CHECK(model.token_losses(batch(0, 512)).device() == Device::cpu);
      CHECK_THROWS_WITH_AS(
          model.to(Device::cpu),
          "llama: model.embed_tokens.weight learns already; move the model before that is chosen", Error);
    }
    CHECK(memory_counters(device).live_bytes <= before + 4096);  // the plans' work lists stay cached
  }
}

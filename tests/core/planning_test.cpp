// A run without memory: what is counted, and what a kernel may not do.
#include "core/planning.h"

#include <doctest/doctest.h>

#include <thread>

#include "core/autograd.h"
#include "core/check.h"
#include "core/tensor.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
#include "tests/temporary_folder.h"

using namespace scca;

/// Bytes of a tensor of one f32: whole cache lines, but for sanitizers, which are to see every byte beyond
/// it.
#ifdef SCCA_SANITIZED
static constexpr int64_t kStatistic = 4;
#else
static constexpr int64_t kStatistic = 64;
#endif
using scca::test::error_of;

TEST_CASE("planning: storage is counted as the device's own counters would, and nothing is allocated") {
  const int64_t live = memory_counters().live_bytes;
  {
    const Planning plan;
    const Tensor huge = Tensor::empty({int64_t{1} << 40});
    CHECK(huge.shape() == Shape{int64_t{1} << 40});
    CHECK_FALSE(huge.has_values());
    CHECK(memory_counters().live_bytes == int64_t{4} << 40);
    CHECK(memory_counters(Device::cuda).live_bytes == 0);
  }
  CHECK(memory_counters().live_bytes == live);
  for (const int64_t bytes : {0, 1, 31, 64, 129, 4096}) {
    const int64_t before = memory_counters().live_bytes;
    const Tensor real = Tensor::empty({bytes / 4}, DType::f32);
    const int64_t taken = memory_counters().live_bytes - before;
    const Planning plan;
    const Tensor planned = Tensor::empty({bytes / 4}, DType::f32);
    CHECK(memory_counters().live_bytes == taken);
  }
}

TEST_CASE("planning: the peak by kind, where it was, and for which kernel") {
  const Planning plan;
  const Tensor kept = Tensor::empty({16}), weight = Tensor::empty({16});
  weight.mark(MemoryKind::weights);
  {
    const Region region("block", 3);
    const Tensor x = Tensor::empty({1, 16});
    rms_norm(x, weight, 1e-5);
  }
  const PlannedPeak& peak = plan.peak(Device::cpu);
  CHECK(peak.total() == 64 * 4 + kStatistic);  // x, y and a statistic beside the two
  CHECK(peak.of(MemoryKind::weights) == 64);
  CHECK(peak.of(MemoryKind::workspace) == 64 * 3 + kStatistic);
  CHECK(peak.where.to_string() == "forward of block 3");
  CHECK(peak.kernel_name() == "rms_norm_forward");
  reset_peak();
  CHECK(plan.peak(Device::cpu).total() == 128);
  CHECK(memory_counters().peak_bytes == 128);
}

TEST_CASE(
    "planning: what nodes save are activations, what leaves gather are gradients, on the way that it is") {
  const Planning plan;
  Tensor weight = Tensor::empty({16});
  weight.mark(MemoryKind::weights);
  weight.set_requires_grad();
  Tensor loss;
  {
    const Region region("block", 0);
    loss = rms_norm(Tensor::empty({1, 16}), weight, 1e-5);
  }
  reset_peak();
  CHECK(plan.peak(Device::cpu).of(MemoryKind::activations) == 64 + kStatistic);  // x and its statistic
  CHECK(plan.peak(Device::cpu).of(MemoryKind::weights) == 64);  // saved too, and still a weight
  backward(loss, Tensor::empty({1, 16}));
  CHECK(plan.peak(Device::cpu).where.to_string() == "backward of block 0");
  CHECK(plan.peak(Device::cpu).kernel_name() == "rms_norm_backward");
  loss = {};  // and with it what its node saved
  reset_peak();
  CHECK(plan.peak(Device::cpu).of(MemoryKind::gradients) == 64);
  CHECK(plan.peak(Device::cpu).of(MemoryKind::activations) == 0);
}

TEST_CASE("planning: what a checkpointed block hands down is no parameter's gradient") {
  const Planning plan;
  Tensor weight = Tensor::empty({16, 1024});
  weight.set_requires_grad();
  const Tensor scale = Tensor::empty({16}), y = linear(Tensor::empty({1, 1024}), weight);
  const Tensor loss = checkpoint([&](const Tensor& x) { return rms_norm(x, scale, 1e-5); }, y);
  reset_peak();
  backward(loss, Tensor::empty({1, 16}));
  CHECK(plan.peak(Device::cpu).kernel_name() == "matmul");  // of weight's gradient, which nobody has yet
  CHECK(plan.peak(Device::cpu).of(MemoryKind::gradients) == 0);
}

TEST_CASE("planning: tensors without values cannot be read; a plan ends with its scope, on its thread") {
  Tensor outlives;
  {
    const Planning plan;
    outlives = Tensor::zeros({2});
    CHECK(error_of([&] { outlives.data<float>(); }) == "tensor: [2] is only planned and has no values");
    CHECK(Tensor::full({}, 3).item() == 0);
    CHECK_FALSE(error_of([] { Planning(); }).empty());
    bool elsewhere = true;
    std::thread([&] { elsewhere = planning() != nullptr; }).join();
    CHECK_FALSE(elsewhere);
  }
  CHECK_FALSE(planning());
  CHECK(planning_id() == 0);
  const Planning plan;
  CHECK(planning_id() == plan.id());
  CHECK(memory_counters().live_bytes == 0);  // the first plan's tensor counts there
}

TEST_CASE("planning: random draws go on as if no plan had been") {
  const RandomState before = random_state();
  set_random_state({7, 5});
  {
    const Planning plan;
    dropout(Tensor::empty({8}), 0.5);
    CHECK(random_state() == RandomState{7, 6});
  }
  CHECK(random_state() == RandomState{7, 5});
  set_random_state(before);
}

TEST_CASE("planning: a kernel that allocates is refused: no plan would see it") {
  const KernelScope kernel("test");
  CHECK(error_of([] { Tensor::empty({2}); }).starts_with("memory: a kernel asks for 8 bytes"));
}

TEST_CASE("planning: FLOPs where they are asked for") {
  const auto counted = [](Planning::Count what) {
    const Planning plan(what);
    count_flops("a", 2);
    count_flops("a", 3);
    return plan.flops();
  };
  CHECK(counted(Planning::Count::memory).empty());
  CHECK(counted(Planning::Count::memory_and_flops) == std::map<std::string, double>{{"a", 5}});
  count_flops("a", 2);  // nobody counts
}

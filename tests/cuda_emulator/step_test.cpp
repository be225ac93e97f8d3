// What a training step asks of the device, by the emulator's count: it runs there as a whole.
#include <doctest/doctest.h>

#include "core/autograd.h"
#include "core/random.h"
#include "tests/cuda_emulator/include/cuemu/counters.h"
#include "tests/op_check.h"
#include "train/run/optimizer.h"

using namespace scca;
using namespace scca::test;

namespace {

struct Steps {
  Llama model = Llama::load(std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K");
  std::optional<Optimizer> optimizer;
  int64_t done = 0;

  explicit Steps(Device device) {
    model.to(device);
    set_random_state({3, 0});
    model.add_lora({.rank = 3, .dropout = 0.1});
    model.set_trainable({"embed", "norm"});
    optimizer.emplace(model);
  }

  /// As the trainer makes it.
  void step() {
    Tensor ids = Tensor::empty({2, 33}, DType::i32);
    for (int64_t i = 0; i < ids.numel(); ++i)
      ids.data<int32_t>()[i] = static_cast<int32_t>((i * 7 + done) % 512);
    const Tensor loss =
        model.loss(ids, {.attention = parse_attention_spec("s2(chunk=16)"), .training = true});
    backward(loss);
    loss.item();
    const double norm = optimizer->gradient_norm();
    optimizer->step(++done, {.lr = 1e-3}, 1 / norm);
  }
};

}  // namespace

TEST_CASE(
    "emulator: a training step copies to the host its loss and its gradient norm, and no step takes more "
    "memory than the last") {
  if (cuemu_counters == nullptr) return;
  for (const Device device : other_devices()) {
    Steps steps(device);
    steps.step();
    steps.step();  // the plans' work lists are there
    const int64_t live = memory_counters(device).live_bytes;
    const CuemuCounters before = cuemu_counters();
    steps.step();
    const CuemuCounters after = cuemu_counters();
    CHECK(after.copies_to_host - before.copies_to_host == 2);
    CHECK(after.bytes_to_host - before.bytes_to_host == 4 + 8);  // the loss in f32, the sum of squares in f64
    CHECK(after.launches > before.launches);
    CHECK(memory_counters(device).live_bytes == live);
  }
}

// A training run's checkpoint. Promise: what is restored from it is whole.
#include "tests/fuzz/fuzz.h"
#include "train/run/checkpoint.h"

namespace scca::test {
namespace {

void take(std::string_view input) {
  static const InputFile file;
  file.write(input);
  const Checkpoint checkpoint(file.path());
  promise(checkpoint.state().step >= 0, "step ", checkpoint.state().step);
  checkpoint.restore({{"parameter.w", Tensor::zeros({2, 3})},
                      {"first.w", Tensor::zeros({2, 3})},
                      {"second.w", Tensor::zeros({2, 3})}});
}

const RegisterFuzz line("checkpoint", take);

}  // namespace
}  // namespace scca::test

#include "core/dispatch.h"

#include <doctest/doctest.h>

#include "core/tensor.h"

namespace scca {

// An op as its author has it before there is a .cu: that this program links where there is nvcc is half of
// the test.
SCCA_CPU_KERNEL(void twice(const Tensor& x, double unused, Tensor& y))

namespace cpu {
void twice(const Tensor& x, double, Tensor& y) { *y.data<float>() = 2 * *x.data<float>(); }
}  // namespace cpu

}  // namespace scca

using namespace scca;

TEST_CASE("dispatch: a kernel without a .cu runs on the CPU, and on CUDA is an error that names it") {
  const Tensor x = Tensor::full({1}, 3);
  Tensor y = Tensor::empty({1});
  SCCA_ON_DEVICE(Device::cpu, twice(x, 0, y));
  CHECK(y.item() == 6);
#ifdef SCCA_CUDA
  const char* refused = "twice has no CUDA kernel; use device cpu, or write one in a .cu file";
#else
  const char* refused =
      "this build has no CUDA, so it cannot run twice(x, 0, y); build with nvcc on the PATH, or use device "
      "cpu";
#endif
  const auto on_cuda = [&] { SCCA_ON_DEVICE(Device::cuda, twice(x, 0, y)); };
  CHECK_THROWS_WITH_AS(on_cuda(), refused, Error);
  CHECK(y.item() == 6);
}

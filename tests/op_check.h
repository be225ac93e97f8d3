#pragma once
// One call holds an op against everything it must be held against:
//
//   TEST_CASE("rms_norm") {
//     check_op([](const auto& in) { return rms_norm(in[0], in[1], 1e-5); }, {{31, 33}, {33}});
//   }
#include <functional>
#include <vector>

#include "core/autograd.h"

namespace scca::test {

using Inputs = std::vector<Tensor>;
using OpFunction = std::function<Tensor(const Inputs&)>;

struct OpCheck {
  /// Inputs whose gradient is checked; the others are constants (all, when empty).
  std::vector<bool> differentiable = {};
  /// |finite difference - backward| <= fd_tolerance * (1 + |gradient|), in f64 with steps of 1e-5: the
  /// difference quotient errs by about 1e-10 (step^2 times a third derivative of order one) and 1e-11
  /// (rounding).
  double fd_tolerance = 2e-7;
  /// Elements of each input that are moved for finite differences: all, or a fixed-seed sample of this many.
  int64_t most_differences = 60;
  /// max |f32 - f64| <= f32_tolerance * (1 + max |f64|), for outputs and gradients.
  double f32_tolerance = 2e-5;
  bool check_f32 = true;
  /// On other devices bf16 may err this many times what it errs on the CPU; 0 for an op that takes no bf16.
  double bf16_factor = 2;
  /// Inputs are uniform in [low, high].
  double low = -1, high = 1;
};

/// Runs, and reports as doctest checks: f64 finite differences against backward; f32 against f64; every
/// subset of wanted gradients gives the same bits; an input or the output written between forward and
/// backward is an error or changes no bit; live memory is back to where it was. Then on every other device
/// that there is, in f32 and bf16: the CPU's results, and again subsets and memory. `op` gets inputs on the
/// device, and moves what else it holds.
void check_op(const OpFunction& op, const std::vector<Shape>& shapes, const OpCheck& options = {});

/// The devices beside the CPU that this program can run on. Where there are none, counts a check as skipped:
/// the run ends with their number and the reason.
std::vector<Device> other_devices();
/// The CPU and those.
std::vector<Device> all_devices();
/// How many times other_devices() had none to give.
int64_t checks_without_device();

/// Uniform values in [low, high], a function of the seed alone.
Tensor random_tensor(const Shape& shape, DType dtype, uint64_t seed, double low = -1, double high = 1);
/// The elements as doubles, whatever the dtype and device.
std::vector<double> values(const Tensor& tensor);
double max_difference(const Tensor& a, const Tensor& b);
bool same_bits(const Tensor& a, const Tensor& b);

}  // namespace scca::test

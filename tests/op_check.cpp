#include "tests/op_check.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <cstring>

#include "core/device.h"
#include "core/dispatch.h"
#include "core/random.h"

namespace scca::test {
namespace {

bool is_wanted(const OpCheck& options, size_t input) {
  return options.differentiable.empty() || options.differentiable[input];
}

Inputs make_inputs(const std::vector<Shape>& shapes, DType dtype, const OpCheck& options) {
  Inputs inputs;
  for (size_t i = 0; i < shapes.size(); ++i) {
    // drawn in f32 range and rounded once, so that f32 and f64 runs see the same numbers
    const Tensor f32 = random_tensor(shapes[i], DType::f32, 100 + i, options.low, options.high);
    Tensor t = Tensor::empty(shapes[i], dtype);
    const auto from = values(f32);
    visit_float(dtype, "op_check", [&]<class T>() {
      for (int64_t k = 0; k < t.numel(); ++k) t.data<T>()[k] = static_cast<T>(from[static_cast<size_t>(k)]);
    });
    inputs.push_back(t);
  }
  return inputs;
}

/// The output and the gradients of sum(output * cotangent) for the inputs marked in `wanted`.
struct Result {
  Tensor output;
  std::vector<Tensor> grads;
};

Inputs leaves_of(const Inputs& from, const std::vector<bool>& wanted) {
  Inputs inputs;
  for (size_t i = 0; i < from.size(); ++i) {
    inputs.push_back(from[i].detach());
    if (wanted[i]) inputs.back().set_requires_grad();
  }
  return inputs;
}

Result backward_of(const Tensor& y, const Inputs& inputs) {
  Result result;
  result.output = y.detach();
  if (y.requires_grad()) {
    Tensor cotangent = Tensor::empty(y.shape(), y.dtype());
    const auto values_f32 = values(random_tensor(y.shape(), DType::f32, 7));
    visit_float(y.dtype(), "op_check", [&]<class T>() {
      for (int64_t k = 0; k < y.numel(); ++k)
        cotangent.data<T>()[k] = static_cast<T>(values_f32[static_cast<size_t>(k)]);
    });
    backward(y, cotangent.to(y.device()));
  }
  for (const Tensor& input : inputs) result.grads.push_back(input.grad());
  return result;
}

Result run(const OpFunction& op, const Inputs& from, const std::vector<bool>& wanted) {
  const Inputs inputs = leaves_of(from, wanted);
  return backward_of(op(inputs), inputs);
}

/// An input, or the output, is written between forward and backward: an error that says so, or the gradients
/// of the values before, to the bit.
void check_writes_in_between(const OpFunction& op, const Inputs& from, const Result& undisturbed,
                             const std::vector<bool>& wanted) {
  for (size_t i = 0; i <= from.size(); ++i) {
    INFO((i < from.size() ? concat("input ", i) : std::string("the output")),
         " is written between forward and backward");
    Inputs own;
    for (const Tensor& t : from) own.push_back(t.clone());
    const Inputs inputs = leaves_of(own, wanted);
    const Tensor y = op(inputs);
    Tensor written = i < from.size() ? inputs[i].detach() : y.detach();
    written.copy_from(Tensor::full(written.shape(), 3, written.dtype()));
    try {
      const Result result = backward_of(y, inputs);
      for (size_t k = 0; k < from.size(); ++k)
        if (wanted[k]) CHECK(same_bits(result.grads[k], undisturbed.grads[k]));
    } catch (const Error& error) {
      CHECK(std::string(error.what()).find(" was written after forward") != std::string::npos);
      for (const Tensor& input : inputs) CHECK_FALSE(input.grad());
    }
  }
}

double weighted_sum(const OpFunction& op, const Inputs& inputs) {
  NoGrad no_grad;
  const auto y = values(op(inputs));
  const auto weights = values(random_tensor({static_cast<int64_t>(y.size())}, DType::f32, 7));
  double sum = 0;
  for (size_t k = 0; k < y.size(); ++k) sum += y[k] * weights[k];
  return sum;
}

void check_finite_differences(const OpFunction& op, const Inputs& inputs, const Result& result,
                              const OpCheck& options) {
  constexpr double step = 1e-5;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!is_wanted(options, i)) continue;
    REQUIRE(result.grads[i]);
    CHECK(result.grads[i].shape() == inputs[i].shape());
    const int64_t n = inputs[i].numel(), tries = std::min(n, options.most_differences);
    double worst = 0;
    int64_t at = 0;
    for (int64_t k = 0; k < tries; ++k) {
      const int64_t index =
          tries == n
              ? k
              : static_cast<int64_t>(philox(5, static_cast<uint64_t>(k), i)[0] % static_cast<uint64_t>(n));
      Inputs moved = inputs;
      moved[i] = inputs[i].clone();
      double& x = moved[i].data<double>()[index];
      const double x0 = x;
      x = x0 + step;
      const double above = weighted_sum(op, moved);
      x = x0 - step;
      const double below = weighted_sum(op, moved);
      const double gradient = result.grads[i].data<double>()[index];
      const double error = std::abs((above - below) / (2 * step) - gradient) / (1 + std::abs(gradient));
      if (!(error <= worst)) worst = error, at = index;
    }
    INFO("input ", i, ", worst at element ", at);
    CHECK(worst <= options.fd_tolerance);
  }
}

void check_subsets(const OpFunction& op, const Inputs& inputs, const Result& all, const OpCheck& options) {
  for (unsigned subset = 0; subset < (1u << inputs.size()); ++subset) {
    std::vector<bool> wanted;
    bool allowed = true;
    for (size_t i = 0; i < inputs.size(); ++i) {
      wanted.push_back(subset >> i & 1u);
      allowed &= !wanted[i] || is_wanted(options, i);
    }
    if (!allowed) continue;
    INFO("subset of wanted gradients ", subset);
    const Result some = run(op, inputs, wanted);
    CHECK(same_bits(some.output, all.output));
    for (size_t i = 0; i < inputs.size(); ++i) {
      CHECK(static_cast<bool>(some.grads[i]) == wanted[i]);
      if (wanted[i] && some.grads[i]) CHECK(same_bits(some.grads[i], all.grads[i]));
    }
  }
}

double scaled_difference(const Tensor& low, const Tensor& exact) {
  double largest = 0;
  for (const double v : values(exact)) largest = std::max(largest, std::abs(v));
  return max_difference(low, exact) / (1 + largest);
}

/// Output and gradients: |result - exact| <= tolerance(i), the output being the last.
template <class Tolerance>
void check_against(const Result& result, const Result& exact, const Tolerance& tolerance) {
  const size_t inputs = exact.grads.size();
  CHECK(scaled_difference(result.output, exact.output) <= tolerance(inputs));
  for (size_t i = 0; i < inputs; ++i) {
    INFO("gradient of input ", i);
    if (exact.grads[i]) CHECK(scaled_difference(result.grads[i], exact.grads[i]) <= tolerance(i));
  }
}

void check_f32(const OpFunction& op, const std::vector<Shape>& shapes, const Result& exact,
               const std::vector<bool>& wanted, const OpCheck& options) {
  const Inputs inputs = make_inputs(shapes, DType::f32, options);
  const Result f32 = run(op, inputs, wanted);
  CHECK(f32.output.dtype() == DType::f32);
  check_against(f32, exact, [&](size_t) { return options.f32_tolerance; });
  check_subsets(op, inputs, f32, options);
}

/// The same elements on a device, two elements after an aligned address: as a row of an even width may lie,
/// too near for the kernels' 16-byte loads.
Tensor inside_a_larger_tensor(const Tensor& t, Device device) {
  Tensor inside = Tensor::empty({t.numel() + 2}, t.dtype(), device).rows(2, t.numel());
  inside.copy_from(t.reshape({t.numel()}));
  return inside.reshape(t.shape());
}

/// One dtype on one device. f32 has its tolerance; bf16 may err bf16_factor times as much as it does on the
/// CPU.
void check_on(Device device, DType dtype, const OpFunction& op, const std::vector<Shape>& shapes,
              const Result& exact, const std::vector<bool>& wanted, const OpCheck& options) {
  INFO(std::string(name_of(dtype)), " on ", std::string(name_of(device)));
  const Inputs host = make_inputs(shapes, dtype, options);
  const Result on_cpu = run(op, host, wanted);
  const auto tolerance = [&](size_t i) {
    if (dtype == DType::f32) return options.f32_tolerance;
    const bool is_output = i == exact.grads.size();
    return 1e-6 + options.bf16_factor * scaled_difference(is_output ? on_cpu.output : on_cpu.grads[i],
                                                          is_output ? exact.output : exact.grads[i]);
  };
  {  // First this one: what an op keeps for all later calls (a plan's work list) is no leak.
    INFO("inputs that begin inside a larger tensor");
    Inputs inside;
    for (const Tensor& t : host) inside.push_back(inside_a_larger_tensor(t, device));
    check_against(run(op, inside, wanted), exact, tolerance);
  }
  const int64_t before = memory_counters(device).live_bytes;
  {
    Inputs inputs;
    for (const Tensor& t : host) inputs.push_back(t.to(device));
    const Result result = run(op, inputs, wanted);
    CHECK(result.output.device() == device);
    check_against(result, exact, tolerance);
    check_subsets(op, inputs, result, options);
    check_writes_in_between(op, inputs, result, wanted);
  }
  CHECK(memory_counters(device).live_bytes == before);
}

std::atomic<int64_t> without_device = 0;

}  // namespace

Tensor random_tensor(const Shape& shape, DType dtype, uint64_t seed, double low, double high) {
  const RandomState before = random_state();
  set_random_state({seed, 0});
  Tensor t = Tensor::empty(shape, dtype);
  fill_uniform(t, low, high);
  set_random_state(before);
  return t;
}

std::vector<double> values(const Tensor& tensor) {
  return visit_dtype(tensor.dtype(), "values", [&]<class T>() {
    std::vector<double> out(static_cast<size_t>(tensor.numel()));
    const std::vector<T> elements = tensor.to_vector<T>();
    for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(elements[i]);
    return out;
  });
}

double max_difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.numel() == b.numel());
  const auto x = values(a), y = values(b);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(x[i] - y[i]);
    if (std::isnan(d)) return d;
    worst = std::max(worst, d);
  }
  return worst;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const Tensor x = a.detach().to(Device::cpu), y = b.detach().to(Device::cpu);
  return std::memcmp(x.raw(), y.raw(), x.bytes()) == 0;
}

std::vector<Device> other_devices() {
  if (why_unusable(Device::cuda).empty()) return {Device::cuda};
  ++without_device;
  return {};
}

std::vector<Device> all_devices() {
  std::vector<Device> all = other_devices();
  all.insert(all.begin(), Device::cpu);
  return all;
}

int64_t checks_without_device() { return without_device; }

void check_op(const OpFunction& op, const std::vector<Shape>& shapes, const OpCheck& options) {
  std::vector<bool> wanted;
  for (size_t i = 0; i < shapes.size(); ++i) wanted.push_back(is_wanted(options, i));
  const int64_t before = memory_counters().live_bytes;
  {
    const Inputs inputs = make_inputs(shapes, DType::f64, options);
    const Result exact = run(op, inputs, wanted);
    check_finite_differences(op, inputs, exact, options);
    check_subsets(op, inputs, exact, options);
    check_writes_in_between(op, inputs, exact, wanted);
    if (options.check_f32) check_f32(op, shapes, exact, wanted, options);
    for (const Device device : other_devices()) {
      if (options.check_f32) check_on(device, DType::f32, op, shapes, exact, wanted, options);
      if (options.bf16_factor > 0) check_on(device, DType::bf16, op, shapes, exact, wanted, options);
    }
  }
  CHECK(memory_counters().live_bytes == before);
}

}  // namespace scca::test

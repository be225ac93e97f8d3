#include "ops/adamw.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

const AdamWOptions kOptions{.lr = 0.01, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};

AdamWParameter make(const Shape& shape, DType dtype, uint64_t seed, Device device = Device::cpu) {
  return {random_tensor(shape, dtype, seed).to(device),
          {},
          Tensor::zeros(shape, dtype, device),
          Tensor::zeros(shape, dtype, device)};
}

/// f64 is for the CPU only.
std::vector<std::pair<Device, DType>> devices_and_dtypes() {
  std::vector<std::pair<Device, DType>> all{{Device::cpu, DType::f64}};
  for (const Device device : all_devices()) all.push_back({device, DType::f32});
  return all;
}

/// The gradient of parameter `which` at step t.
Tensor gradient(const Shape& shape, DType dtype, uint64_t which, int64_t t) {
  return random_tensor(shape, dtype, 1000 * static_cast<uint64_t>(t) + which, -3, 2);
}

/// Algorithm 2 of the paper in PyTorch's order, one element after the other.
void reference_step(std::vector<double>& w, const std::vector<double>& grad, std::vector<double>& m,
                    std::vector<double>& v, int t, double scale, bool decay) {
  const AdamWOptions& o = kOptions;
  for (size_t i = 0; i < w.size(); ++i) {
    const double g = grad[i] * scale;
    if (decay) w[i] -= o.lr * o.weight_decay * w[i];
    m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
    v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
    const double m_hat = m[i] / (1 - std::pow(o.beta1, t));
    const double denominator = std::sqrt(v[i]) / std::sqrt(1 - std::pow(o.beta2, t)) + o.eps;
    w[i] -= o.lr * m_hat / denominator;
  }
}

double largest_difference(const Tensor& a, const std::vector<double>& b) {
  return max_difference(a, Tensor::of<double>(b, a.shape()));
}

}  // namespace

TEST_CASE("adamw: ten steps over odd sizes against the formula in f64") {
  const std::vector<Shape> shapes{{1}, {31, 33}, {129}, {3, 9999}};
  for (const auto& [device, dtype] : devices_and_dtypes()) {
    CAPTURE(name_of(device));
    CAPTURE(name_of(dtype));
    // in f32 w, m and v are below 4 and are rounded a few times a step; m/sqrt(v) <= 3.2 passes 2^-20 of
    // error on by the rate, 0.01
    const double tolerance = dtype == DType::f64 ? 1e-13 : 10 * 4 * 0x1p-22;
    std::vector<AdamWParameter> parameters;
    std::vector<std::vector<double>> w, m, v;
    for (size_t i = 0; i < shapes.size(); ++i) {
      parameters.push_back(make(shapes[i], dtype, i, device));
      parameters.back().decay = i != 2;
      w.push_back(values(parameters[i].parameter));
      m.push_back(values(parameters[i].m));
      v.push_back(values(parameters[i].v));
    }
    for (int t = 1; t <= 10; ++t) {
      const double scale = t == 4 ? 0.25 : 1;
      for (size_t i = 0; i < shapes.size(); ++i) {
        parameters[i].grad = gradient(shapes[i], dtype, i, t).to(device);
        reference_step(w[i], values(parameters[i].grad), m[i], v[i], t, scale, i != 2);
      }
      adamw_step(parameters, kOptions, t, scale);
    }
    for (size_t i = 0; i < shapes.size(); ++i) {
      CAPTURE(i);
      CHECK(largest_difference(parameters[i].parameter, w[i]) <= tolerance);
      CHECK(largest_difference(parameters[i].m, m[i]) <= tolerance);
      CHECK(largest_difference(parameters[i].v, v[i]) <= tolerance);
    }
  }
}

TEST_CASE("adamw: the first step moves by the rate, whatever the gradient's size") {
  std::vector<AdamWParameter> parameters{make({1}, DType::f64, 1)};
  const double before = parameters[0].parameter.item();
  parameters[0].grad = Tensor::full({1}, -1e4, DType::f64);
  adamw_step(parameters, {.lr = 0.1}, 1);
  CHECK(parameters[0].parameter.item() == doctest::Approx(before + 0.1));
}

TEST_CASE("adamw: a parameter without a gradient is left alone, and no gradient is written") {
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    std::vector<AdamWParameter> parameters{make({33}, DType::f32, 1, device),
                                           make({33}, DType::f32, 2, device)};
    const Tensor still = parameters[0].parameter.clone(), moves = parameters[1].parameter.clone();
    const Tensor grad = gradient({33}, DType::f32, 1, 1).to(device), kept = grad.clone();
    parameters[1].grad = grad;
    adamw_step(parameters, kOptions, 1, 0.5);
    CHECK(same_bits(parameters[0].parameter, still));
    CHECK_FALSE(same_bits(parameters[1].parameter, moves));
    CHECK(same_bits(grad, kept));
  }
}

TEST_CASE("adamw: parameters that begin anywhere (rows of a larger tensor)") {
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor rows = random_tensor({3, 33}, DType::f32, 1).to(device);
    AdamWParameter row = make({1, 33}, DType::f32, 2, device), whole = make({1, 33}, DType::f32, 2, device);
    row.parameter = rows.rows(1, 1);
    whole.parameter = rows.rows(1, 1).clone();
    row.grad = whole.grad = gradient({1, 33}, DType::f32, 1, 1).to(device);
    const Tensor first = rows.rows(0, 1).clone(), last = rows.rows(2, 1).clone();
    std::vector<AdamWParameter> parameters{row, whole};
    adamw_step(parameters, kOptions, 1);
    CHECK(max_difference(row.parameter, whole.parameter) <= 0x1p-22);  // values below 1, rounded a few times
    CHECK(same_bits(rows.rows(0, 1), first));
    CHECK(same_bits(rows.rows(2, 1), last));
  }
}

TEST_CASE("gradient_norm: the definition, the same bits at any thread count, and non-finite values seen") {
  const std::vector<Tensor> host{random_tensor({3, 33333}, DType::f32, 1),
                                 {},
                                 random_tensor({1}, DType::f32, 2),
                                 random_tensor({129}, DType::bf16, 3)};
  double sum = 0;
  for (const Tensor& grad : host) {
    if (!grad) continue;
    for (const double x : values(grad)) sum += x * x;
  }
  const int before = omp_get_max_threads();
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    std::vector<Tensor> grads;
    for (const Tensor& grad : host) grads.push_back(grad ? grad.to(device) : grad);
    omp_set_num_threads(1);
    const double one = gradient_norm(grads);
    CHECK(one == doctest::Approx(std::sqrt(sum)).epsilon(1e-13));
    for (const int threads : {2, 3, 8}) {
      omp_set_num_threads(threads);
      CHECK(gradient_norm(grads) == one);
    }
    omp_set_num_threads(before);
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      Tensor spoilt = host[0].clone();
      spoilt.data<float>()[77777] = bad;
      grads[0] = spoilt.to(device);
      CHECK_FALSE(std::isfinite(gradient_norm(grads)));
    }
  }
  CHECK(gradient_norm({}) == 0);
  CHECK(gradient_norm(std::vector<Tensor>(2)) == 0);
}

TEST_CASE("adamw: what does not fit is named") {
  std::vector<AdamWParameter> parameters{make({2, 3}, DType::f32, 1)};
  parameters[0].grad = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(adamw_step(parameters, kOptions, 1),
                       "adamw: parameter is [2, 3] f32, its gradient is [3, 2] f32; they must be alike",
                       Error);
  parameters = {make({2}, DType::bf16, 1)};
  parameters[0].grad = Tensor::zeros({2}, DType::bf16);
  CHECK_THROWS_AS(adamw_step(parameters, kOptions, 1), Error);
  CHECK_THROWS_AS(adamw_step(parameters, kOptions, 0), Error);
}

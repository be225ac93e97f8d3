#include "train/bench/bandwidth.h"

#include "core/memory.h"
#include "core/random.h"
#include "ops/adamw.h"
#include "ops/linear_cross_entropy.h"
#include "ops/rms_norm.h"
#include "ops/rope.h"
#include "ops/row_groups.h"
#include "ops/swiglu.h"

namespace scca {
namespace {

/// What a measurement is made with. Each makes its own tensors, so that one at a time is in memory.
struct Conditions {
  BandwidthSizes sizes;
  double budget;
  Place place;

  Tensor activations() const { return normal_tensor({sizes.rows, sizes.width}, place); }
  Tensor result() const { return Tensor::empty({sizes.rows, sizes.width}, place.dtype, place.device); }
  BandwidthFigure figure(const std::string& op, int64_t bytes, const std::function<void()>& work) const {
    return {op, bytes, best_seconds(budget, work, place.device)};
  }
  /// For ops that read and write so many tensors of activations.
  BandwidthFigure figure_of_activations(const std::string& op, int64_t tensors,
                                        const std::function<void()>& work) const {
    return figure(op, tensors * sizes.rows * sizes.width * static_cast<int64_t>(size_of(place.dtype)), work);
  }
};

BandwidthFigure rms_norm_figure(const Conditions& in, bool backward) {
  const Device device = in.place.device;
  const Tensor x = in.activations(), weight = normal_tensor({in.sizes.width}, in.place);
  Tensor y = in.result(), scale = Tensor::empty({in.sizes.rows}, DType::f32, device);
  const auto forward = [&] { SCCA_ON_DEVICE(device, rms_norm_forward(x, weight, 1e-5, y, scale)); };
  if (!backward) return in.figure_of_activations("rms_norm", 2, forward);
  forward();
  const Tensor dy = in.activations();
  Tensor dx = in.result(), dweight = Tensor::zeros({in.sizes.width}, in.place.dtype, device);
  Tensor sums = row_group_sums(x);
  return in.figure_of_activations("rms_norm, backward", 3, [&] {
    SCCA_ON_DEVICE(device, rms_norm_backward(x, weight, scale, dy, dx, dweight, sums));
  });
}

BandwidthFigure rope_figure(const Conditions& in) {
  const Device device = in.place.device;
  const int64_t half = in.sizes.head_dim / 2;
  const Shape shape{1, in.sizes.rows, in.sizes.width / in.sizes.head_dim, in.sizes.head_dim};
  const RopeTable host = rope_table(std::vector<double>(static_cast<size_t>(half), 1e-3), in.sizes.rows);
  const RopeTable table{host.cos.to(device), host.sin.to(device)};
  const Tensor x = in.activations().reshape(shape);
  Tensor y = in.result().reshape(shape);
  return in.figure_of_activations("rope", 2, [&] { SCCA_ON_DEVICE(device, rope_rotate(x, table, 0, 1, y)); });
}

BandwidthFigure swiglu_figure(const Conditions& in, bool backward) {
  const Device device = in.place.device;
  const Tensor gate = in.activations(), up = in.activations();
  Tensor y = in.result();
  if (!backward)
    return in.figure_of_activations("swiglu", 3,
                                    [&] { SCCA_ON_DEVICE(device, swiglu_forward(gate, up, y)); });
  const Tensor dy = in.activations();
  Tensor dup = in.result();
  return in.figure_of_activations("swiglu, backward", 5,
                                  [&] { SCCA_ON_DEVICE(device, swiglu_backward(gate, up, dy, y, dup)); });
}

BandwidthFigure adamw_figure(const Conditions& in) {
  const Shape shape{in.sizes.parameters};
  const auto zeros = [&] { return Tensor::zeros(shape, DType::f32, in.place.device); };
  std::vector<AdamWParameter> parameters{{zeros(), normal_tensor(shape, in.place), zeros(), zeros()}};
  int64_t t = 0;
  // Reads parameter, gradient, m and v, writes all but the gradient.
  return in.figure("adamw", 7 * 4 * in.sizes.parameters, [&] { adamw_step(parameters, {}, ++t); });
}

BandwidthFigure norm_figure(const Conditions& in) {
  const Tensor grad = normal_tensor({in.sizes.parameters}, in.place);
  return in.figure("gradient norm", 4 * in.sizes.parameters, [&] { gradient_norm(std::span(&grad, 1)); });
}

/// The softmax of the logits, its losses, and the logits' gradient in their place.
BandwidthFigure softmax_figure(const Conditions& in) {
  const Device device = in.place.device;
  const int64_t rows = in.sizes.loss_rows, vocabulary = in.sizes.vocabulary;
  Tensor logits = normal_tensor({rows, vocabulary}, in.place);
  std::vector<int32_t> ids(static_cast<size_t>(rows));
  for (size_t i = 0; i < ids.size(); ++i)
    ids[i] = static_cast<int32_t>(i * 7919 % static_cast<size_t>(vocabulary));
  const Tensor targets = Tensor::of(ids, {rows}).to(device);
  Tensor losses = Tensor::empty({rows}, DType::f32, device);
  return in.figure("cross entropy and its gradient", 2 * 4 * rows * vocabulary,
                   [&] { SCCA_ON_DEVICE(device, softmax_losses(logits, targets, -100, 1.0, losses)); });
}

}  // namespace

double copy_gb_per_s(int64_t bytes, double budget, Device device) {
  const Tensor from = Tensor::zeros({bytes / 4}, DType::f32, device);
  Tensor to = Tensor::zeros({bytes / 4}, DType::f32, device);
  const double seconds = best_seconds(
      budget, [&] { SCCA_MEMORY(device, copy_within(to.raw(), from.raw(), to.bytes())); }, device);
  return 2.0 * static_cast<double>(to.bytes()) / seconds * 1e-9;
}

std::vector<BandwidthMeasurement> bandwidth_measurements(const BandwidthSizes& sizes, double budget,
                                                         Place place) {
  const Conditions in{sizes, budget, place};
  std::vector<BandwidthMeasurement> all{
      {"rms_norm", [in] { return rms_norm_figure(in, false); }},
      {"rms_norm, backward", [in] { return rms_norm_figure(in, true); }},
      {"rope", [in] { return rope_figure(in); }},
      {"swiglu", [in] { return swiglu_figure(in, false); }},
      {"swiglu, backward", [in] { return swiglu_figure(in, true); }},
  };
  if (place.dtype == DType::f32) {
    all.push_back({"adamw", [in] { return adamw_figure(in); }});
    all.push_back({"gradient norm", [in] { return norm_figure(in); }});
    all.push_back({"cross entropy and its gradient", [in] { return softmax_figure(in); }});
  }
  return all;
}

}  // namespace scca

#include "train/run/optimizer.h"

#include "core/check.h"

namespace scca {

Optimizer::Optimizer(Llama& model) {
  model.for_each_parameter([&](const std::string& name, Tensor& weight) {
    if (!weight.requires_grad()) return;
    names_.push_back(name);
    parameters_.push_back({.parameter = weight,
                           .grad = {},
                           .m = Tensor::zeros(weight.shape(), weight.dtype(), weight.device()),
                           .v = Tensor::zeros(weight.shape(), weight.dtype(), weight.device()),
                           .decay = weight.rank() >= 2});
  });
  if (parameters_.empty())
    fail<UsageError>("nothing learns; give a --lora-rank above 0, or --train something");
}

int64_t Optimizer::parameter_count() const {
  int64_t count = 0;
  for (const AdamWParameter& parameter : parameters_) count += parameter.parameter.numel();
  return count;
}

double Optimizer::gradient_norm() {
  std::vector<Tensor> gradients;
  for (const AdamWParameter& parameter : parameters_) gradients.push_back(parameter.parameter.grad());
  return scca::gradient_norm(gradients);
}

void Optimizer::step(int64_t t, const AdamWOptions& options, double gradient_scale) {
  for (AdamWParameter& parameter : parameters_) parameter.grad = parameter.parameter.grad();
  adamw_step(parameters_, options, t, gradient_scale);
  for (AdamWParameter& parameter : parameters_) {
    parameter.grad = {};
    parameter.parameter.set_grad({});
  }
}

NamedTensors Optimizer::state() const {
  NamedTensors tensors;
  for (size_t i = 0; i < names_.size(); ++i) {
    tensors.emplace_back("parameter." + names_[i], parameters_[i].parameter.detach());
    tensors.emplace_back("first." + names_[i], parameters_[i].m);
    tensors.emplace_back("second." + names_[i], parameters_[i].v);
  }
  return tensors;
}

}  // namespace scca

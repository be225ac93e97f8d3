#include "nn/linear.h"

#include "ops/add_bias.h"
#include "ops/linear.h"
#include "ops/matmul.h"

namespace scca {

Tensor Linear::operator()(const Tensor& x, bool training) const {
  Tensor y = linear(x, as_operand(weight_OI, x.dtype()));
  if (bias_O) y = add_bias(std::move(y), bias_O);
  return lora ? (*lora)(std::move(y), x, training) : y;
}

void Linear::for_each_parameter(const std::string& name, const ParameterVisitor& visit) {
  visit(name + ".weight", weight_OI);
  if (bias_O) visit(name + ".bias", bias_O);
  if (!lora) return;
  visit(name + ".lora_A.weight", lora->a_RI);
  visit(name + ".lora_B.weight", lora->b_OR);
}

}  // namespace scca

#pragma once
// A linear layer, which may have a bias and carry a LoRA update.
#include <optional>
#include <string>

#include "nn/lora.h"
#include "nn/module.h"

namespace scca {

struct Linear {
  Tensor weight_OI;  // of a block dtype where it is frozen in few bits
  Tensor bias_O;     // empty: none
  std::optional<Lora> lora;

  /// x [..., I] -> [..., O]. `training` turns LoRA's dropout on.
  Tensor operator()(const Tensor& x, bool training = false) const;

  /// name.weight, name.bias where there is one, and, with LoRA, name.lora_A.weight and name.lora_B.weight
  /// (PEFT's names).
  void for_each_parameter(const std::string& name, const ParameterVisitor& visit);
};

}  // namespace scca

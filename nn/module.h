#pragma once
// Modules are plain structs of parameters with a call operator. One member function ties them to files,
// optimizers and freezing: for_each_parameter visits every tensor under its Hugging Face name.
#include <functional>
#include <string>

#include "core/tensor.h"

namespace scca {

using ParameterVisitor = std::function<void(const std::string& name, Tensor& parameter)>;

}  // namespace scca

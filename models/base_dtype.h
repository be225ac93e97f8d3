#pragma once
// A base in few bits (QLoRA, Dettmers et al., arXiv 2305.14314): what each frozen parameter is kept in.
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace scca {

class Weights;

/// same: what the model computes in. stored: matrices that a GGUF file has in blocks stay as they are there.
/// q8_0, nf4: the linear layers of the blocks are made so when they are read; embedding, head, norms and
/// biases stay as for `same`, as QLoRA has it, and so does a layer whose rows are not whole blocks.
enum class BaseDType : uint8_t { same, stored, q8_0, nf4 };

struct BaseDTypeName {
  std::string_view name;
  BaseDType value;
};
/// Those that a user may choose, and `same` as "same".
std::span<const BaseDTypeName> base_dtypes();
/// Throws Error for a name that is none of them.
BaseDType base_dtype(std::string_view name);

/// What the parameter of this name and shape is kept in.
using ParameterDTypes = std::function<DType(const std::string& name, const Shape& shape)>;

/// For a model that computes in `dtype`. `weights` are needed for `stored` alone, and must outlive the
/// result. The result throws UsageError for a layer whose rows are not whole blocks.
ParameterDTypes parameter_dtypes(BaseDType base, DType dtype, const Weights* weights);

}  // namespace scca

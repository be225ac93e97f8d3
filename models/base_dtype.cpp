#include "models/base_dtype.h"

#include <algorithm>

#include "core/check.h"
#include "core/joined.h"
#include "models/files/block_formats.h"
#include "models/weights.h"

namespace scca {
namespace {

constexpr BaseDTypeName kNames[] = {{"same", BaseDType::same},
                                    {"stored", BaseDType::stored},
                                    {"q8_0", BaseDType::q8_0},
                                    {"nf4", BaseDType::nf4}};

bool is_linear_of_block(const std::string& name, const Shape& shape) {
  return shape.size() == 2 && name.starts_with("model.layers.");
}

DType as_stored(const Weights& weights, const std::string& name, const Shape& shape, DType dtype) {
  if (shape.size() != 2 || !weights.contains(name)) return dtype;
  const BlockFormat* format = block_format(weights.stored(name).dtype);
  return format ? format->dtype : dtype;
}

}  // namespace

std::span<const BaseDTypeName> base_dtypes() { return kNames; }

BaseDType base_dtype(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &BaseDTypeName::name);
  std::vector<std::string> names;
  for (const BaseDTypeName& known : kNames) names.emplace_back(known.name);
  SCCA_CHECK(found != std::end(kNames), "no base is kept as ", name, "; expected ", joined(names, ", "));
  return found->value;
}

ParameterDTypes parameter_dtypes(BaseDType base, DType dtype, const Weights* weights) {
  if (base == BaseDType::same) return [dtype](const std::string&, const Shape&) { return dtype; };
  if (base == BaseDType::stored) {
    SCCA_CHECK(weights, "base dtype: stored asks for the file that the weights are stored in");
    return [dtype, weights](const std::string& name, const Shape& shape) {
      return as_stored(*weights, name, shape, dtype);
    };
  }
  const DType blocks = base == BaseDType::q8_0 ? DType::q8_0 : DType::nf4;
  return [dtype, blocks](const std::string& name, const Shape& shape) {
    const bool whole = is_linear_of_block(name, shape) && shape[1] % layout_of(blocks).elements == 0;
    return whole ? blocks : dtype;
  };
}

}  // namespace scca

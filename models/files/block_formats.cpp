#include "models/files/block_formats.h"

#include <algorithm>

namespace scca {
namespace {

constexpr BlockFormat kFormats[] = {
    {DType::q4_0, "Q4_0", 2, 2},   {DType::q4_1, "Q4_1", 3, 3},   {DType::q5_0, "Q5_0", 6, 8},
    {DType::q5_1, "Q5_1", 7, 9},   {DType::q8_0, "Q8_0", 8, 7},   {DType::q4_k, "Q4_K", 12, 15},
    {DType::q5_k, "Q5_K", 13, 17}, {DType::q6_k, "Q6_K", 14, 18},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* block_format(std::string_view name) {
  const auto found = std::ranges::find(kFormats, name, &BlockFormat::name);
  return found == std::end(kFormats) ? nullptr : &*found;
}

}  // namespace scca

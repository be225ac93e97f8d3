#pragma once
// The block dtypes (ops/block_formats.h) as GGUF files number them.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/dtype.h"

namespace scca {

struct BlockFormat {
  DType dtype;
  const char* name;    // as ggml calls it: "Q4_0"
  uint32_t type;       // its number in a file
  uint32_t file_type;  // general.file_type of a model that is mostly in this format

  int64_t weights() const { return layout_of(dtype).elements; }  // in a block
};

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 (32 weights), Q4_K, Q5_K, Q6_K (256 weights).
std::span<const BlockFormat> block_formats();
/// nullptr for a name that is none of them.
const BlockFormat* block_format(std::string_view name);

}  // namespace scca

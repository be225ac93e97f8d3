#pragma once
// ggml's block formats, in which GGUF files keep weights in few bits: a block of 32 or 256 weights shares a
// scale d, and in some a minimum m, each f16; a weight is d * q - m with q of 4 to 8 bits.
// github.com/ggml-org/ggml, docs/gguf.md and ggml-common.h, whose layouts these are.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace scca {

struct BlockFormat {
  const char* name;    // as ggml calls it: "Q4_0"
  uint32_t type;       // its number in a GGUF file
  int64_t weights;     // in a block
  size_t bytes;        // of a block
  uint32_t file_type;  // general.file_type of a model that is mostly in this format
  void (*decode)(const std::byte* block, float* weights);
  /// Nearest to the weights, as ggml's reference rounds; null where this program does not write the format.
  void (*encode)(const float* weights, std::byte* block);
};

/// Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 (32 weights), Q4_K, Q5_K, Q6_K (256 weights).
std::span<const BlockFormat> block_formats();
/// nullptr for a name that is none of them.
const BlockFormat* block_format(std::string_view name);

}  // namespace scca

#pragma once
// A tensor as a file holds it, and how its elements are read.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.h"
#include "core/tensor.h"

namespace scca {

/// One tensor of a mapped file.
struct StoredTensor {
  std::string dtype;  // as the file names it: "F32", "F16", "BF16", "F64", "I64", "Q4_0", ...
  Shape shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
  /// For the rows of q and k in a GGUF file of a LLaMA, the rows of a head: in the file a row of its first
  /// half is followed by the one of its second half that RoPE turns with it. 0: rows stand in their order.
  int64_t interleaved = 0;
};

/// Of dtype, shape and bytes (core/hash.h).
uint64_t hash_of(const StoredTensor& tensor);

/// The file's name of a dtype: "F32".
const char* stored_name(DType dtype);

/// Whether the bytes are the elements of such a tensor, in their order.
bool is_stored_as(const StoredTensor& stored, DType dtype);

/// Fills `to`, of the same shape: floating-point numbers and block formats (models/block_formats.h) are
/// converted to each other's nearest, integers copied. False when the dtype has no reading as `to`'s.
bool read_elements(const StoredTensor& stored, Tensor& to);

}  // namespace scca

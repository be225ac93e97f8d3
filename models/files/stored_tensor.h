#pragma once
// A tensor as a file holds it, and how its elements are read.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// The row of the model that row `stored` of an interleaved tensor is; itself where `interleaved` is 0.
int64_t row_in_model(int64_t stored, int64_t interleaved);

/// Of dtype, shape and bytes (core/hash.h).
uint64_t hash_of(const StoredTensor& tensor);

/// The file's name of a dtype: "F32".
std::string stored_name(DType dtype);

/// A floating-point dtype that models are written as, by the names that it goes by.
struct StoredFloat {
  const char* name;    // on the command line: "f16"
  const char* stored;  // in a safetensors file: "F16"
  const char* torch;   // torch_dtype in config.json: "float16"
  size_t bytes;
};
/// f32, bf16 and f16.
std::span<const StoredFloat> stored_floats();
/// The one called so. Throws Error for any other name.
const StoredFloat& stored_float(std::string_view name);
/// The one that config.json's torch_dtype means; f32 for any other, such as float64.
const StoredFloat& stored_float_of_torch(std::string_view torch);

/// `tensor`, f32, rounded to the nearest halves; [bytes], for a file.
std::vector<uint16_t> as_halves(const Tensor& tensor);

/// Whether the bytes are the elements of such a tensor, in their order.
bool is_stored_as(const StoredTensor& stored, DType dtype);

/// Fills `to`, of the same shape: floating-point numbers and block formats (models/files/block_formats.h) are
/// converted to the nearest floating-point numbers, integers copied, and blocks where `to` has the same.
/// False when the dtype has no reading as `to`'s. done(begin, bytes) is told of bytes that were converted and
/// are not looked at again.
bool read_elements(const StoredTensor& stored, Tensor& to,
                   const std::function<void(const std::byte* begin, size_t bytes)>& done = {});

}  // namespace scca

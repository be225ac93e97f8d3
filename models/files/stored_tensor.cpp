#include "models/files/stored_tensor.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <vector>

#include "core/check.h"
#include "core/dispatch.h"
#include "core/half.h"
#include "core/hash.h"
#include "core/parallel.h"
#include "models/files/block_formats.h"
#include "ops/dequantize.h"

namespace scca {
namespace {

using Done = std::function<void(const std::byte* begin, size_t bytes)>;

/// Elements of the kind From, which may lie at any address, as To.
template <class From, auto value, class To>
void read_plain(const std::byte* from, int64_t count, To* to) {
  for (int64_t i = 0; i < count; ++i) {
    From element;
    std::memcpy(static_cast<void*>(&element), from + i * static_cast<int64_t>(sizeof(From)), sizeof(From));
    to[i] = static_cast<To>(value(element));
  }
}

/// Reads `count` elements, whole blocks of a block format.
template <class To>
using Reader = std::function<void(const std::byte* from, int64_t count, To* to)>;

/// Empty when there is none.
template <class To>
Reader<To> reader_of(const std::string& dtype) {
  constexpr auto same = [](auto value) { return value; };
  if (dtype == "F32") return read_plain<float, same, To>;
  if (dtype == "F64") return read_plain<double, same, To>;
  if (dtype == "BF16") return read_plain<uint16_t, from_bf16, To>;
  if (dtype == "F16") return read_plain<uint16_t, from_half, To>;
  const BlockFormat* format = block_format(dtype);
  if (!format) return {};
  return [blocks = format->dtype](const std::byte* from, int64_t count, To* to) {
    dequantize_row(blocks, from, count, to);
  };
}

/// Row `row` of the file, of `width` elements, to its place in the model.
using ReadRow = std::function<void(const std::byte* from, int64_t width, int64_t row_of_model)>;

/// In rows, so that a block is never cut and rows may change their places; in pieces of a few megabytes, each
/// reported when it has been read.
void read_rows(const StoredTensor& stored, const ReadRow& read, const Done& done) {
  constexpr int64_t kPiece = int64_t{8} << 20;
  const int64_t count = numel(stored.shape);
  if (count == 0) return;
  const bool elements = stored.shape.size() < 2 && stored.interleaved;  // a bias, whose rows are its elements
  const int64_t width = elements || stored.shape.empty() ? 1 : stored.shape.back();
  const int64_t rows = count / width, row_bytes = static_cast<int64_t>(stored.bytes) / rows;
  const int64_t some = std::max<int64_t>(1, kPiece / row_bytes);
  for (int64_t first = 0; first < rows; first += some) {
    const int64_t now = std::min(some, rows - first);
    parallel_for(now, std::max<int64_t>(1, kElementwiseGrain / width), [&](int64_t begin, int64_t end) {
      for (int64_t row = first + begin; row < first + end; ++row)
        read(stored.data + row * row_bytes, width, row_in_model(row, stored.interleaved));
    });
    if (done) done(stored.data + first * row_bytes, static_cast<size_t>(now * row_bytes));
  }
}

}  // namespace

int64_t row_in_model(int64_t stored, int64_t rows_of_head) {
  if (rows_of_head == 0) return stored;
  const int64_t head = stored / rows_of_head, row = stored % rows_of_head;
  return head * rows_of_head + row % 2 * (rows_of_head / 2) + row / 2;
}

uint64_t hash_of(const StoredTensor& tensor) {
  return hash_bytes(tensor.data, tensor.bytes, hash_text(tensor.dtype + to_string(tensor.shape)));
}

std::string stored_name(DType dtype) {
  std::string name = name_of(dtype);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
  return name;
}

std::span<const StoredFloat> stored_floats() {
  static constexpr StoredFloat kFloats[] = {
      {"f32", "F32", "float32", 4}, {"bf16", "BF16", "bfloat16", 2}, {"f16", "F16", "float16", 2}};
  return kFloats;
}

const StoredFloat& stored_float(std::string_view name) {
  const auto found = std::ranges::find(stored_floats(), name, &StoredFloat::name);
  SCCA_CHECK(found != stored_floats().end(), "weights are not written as ", name,
             "; expected f32, bf16 or f16");
  return *found;
}

const StoredFloat& stored_float_of_torch(std::string_view torch) {
  const auto found = std::ranges::find(stored_floats(), torch, &StoredFloat::torch);
  return found == stored_floats().end() ? stored_floats()[0] : *found;
}

std::vector<uint16_t> as_halves(const Tensor& tensor) {
  std::vector<uint16_t> halves(static_cast<size_t>(tensor.numel()));
  const float* from = tensor.data<float>();
  parallel_for(tensor.numel(), kElementwiseGrain, [&](int64_t begin, int64_t end) {
    std::transform(from + begin, from + end, halves.begin() + begin, to_half);
  });
  return halves;
}

bool is_stored_as(const StoredTensor& stored, DType dtype) {
  return stored.dtype == stored_name(dtype) && stored.interleaved == 0;
}

bool read_elements(const StoredTensor& stored, Tensor& to, const Done& done) {
  if (is_stored_as(stored, to.dtype())) {
    if (stored.bytes > 0) std::memcpy(to.raw(), stored.data, stored.bytes);
    return true;
  }
  if (to.dtype() == DType::i32) return false;
  if (is_blocks(to.dtype())) {  // rows change their places, as they are
    if (stored.dtype != stored_name(to.dtype())) return false;
    std::byte* out = to.raw();
    const size_t bytes = row_bytes(to.dtype(), to.size(-1));
    read_rows(
        stored,
        [&](const std::byte* from, int64_t, int64_t row) {
          std::memcpy(out + static_cast<size_t>(row) * bytes, from, bytes);
        },
        done);
    return true;
  }
  return visit_float(to.dtype(), "weights", [&]<class To>() {
    const Reader<To> read = reader_of<To>(stored.dtype);
    if (!read) return false;
    To* out = to.data<To>();
    read_rows(
        stored,
        [&](const std::byte* from, int64_t width, int64_t row) { read(from, width, out + row * width); },
        done);
    return true;
  });
}

}  // namespace scca

#include "ops/rope.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"

namespace scca {
namespace {

/// Turns x, in place where nobody else holds it.
Tensor rotated(const Tensor& x, const RopeTable& table, int64_t first_position, int direction) {
  Tensor y = x.unique() ? x.detach() : Tensor::empty(x.shape(), x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), rope_rotate(x, table, first_position, direction, y));
  return y;
}

template <class F>
RopeTable table_of(const std::vector<double>& inverse_frequencies, int64_t rows, const F& position_of,
                   double magnitude, DType dtype) {
  const int64_t half = static_cast<int64_t>(inverse_frequencies.size());
  RopeTable table{Tensor::empty({rows, half}, dtype), Tensor::empty({rows, half}, dtype)};
  if (!table.cos.has_values()) return table;
  visit_float(dtype, "rope_table", [&]<class T>() {
    T* cos = table.cos.data<T>();
    T* sin = table.sin.data<T>();
    parallel_for(rows, 256, [&, cos, sin](int64_t begin, int64_t end) {
      for (int64_t i = begin * half; i < end * half; ++i) {
        const double angle =
            static_cast<double>(position_of(i / half)) * inverse_frequencies[static_cast<size_t>(i % half)];
        cos[i] = static_cast<T>(std::cos(angle) * magnitude);
        sin[i] = static_cast<T>(std::sin(angle) * magnitude);
      }
    });
  });
  return table;
}

struct RopeNode : Node {
  const char* name() const override { return "rope"; }
  std::vector<Tensor> backward(Tensor dy) override { return {rotated(dy, {cos, sin}, first_position, -1)}; }

  Saved cos{*this, "cos"}, sin{*this, "sin"};
  int64_t first_position = 0;
};

}  // namespace

RopeTable rope_table(const std::vector<double>& inverse_frequencies, int64_t positions, double magnitude,
                     DType dtype) {
  return table_of(
      inverse_frequencies, positions, [](int64_t row) { return row; }, magnitude, dtype);
}

RopeTable rope_table_at(const std::vector<double>& inverse_frequencies, std::span<const int64_t> positions,
                        double magnitude, DType dtype) {
  const auto position_of = [positions](int64_t row) { return positions[static_cast<size_t>(row)]; };
  return table_of(inverse_frequencies, std::ssize(positions), position_of, magnitude, dtype);
}

Tensor rope(Tensor x, const RopeTable& table, int64_t first_position) {
  SCCA_CHECK(x.rank() == 4 && x.size(3) % 2 == 0, "rope: x is ", to_string(x.shape()),
             ", expected [batch, tokens, heads, head_dim] with an even head_dim");
  SCCA_CHECK(
      table.cos.rank() == 2 && table.cos.shape() == table.sin.shape() && table.cos.size(1) * 2 == x.size(3),
      "rope: table is ", to_string(table.cos.shape()), " and ", to_string(table.sin.shape()),
      ", expected [positions, ", x.size(3) / 2, "] for x ", to_string(x.shape()));
  SCCA_CHECK(first_position >= 0 && first_position + x.size(1) <= table.cos.size(0), "rope: positions [",
             first_position, ", ", first_position + x.size(1), ") do not lie in the table's ",
             table.cos.size(0), "; make it for the longest context");
  const DType expected = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  SCCA_CHECK(table.cos.dtype() == expected && table.sin.dtype() == expected, "rope: table is ",
             name_of(table.cos.dtype()), ", expected ", name_of(expected), " beside x in ",
             name_of(x.dtype()));
  Tensor y = rotated(x, table, first_position, 1);
  if (auto node = record<RopeNode>(y, {&x, &table.cos, &table.sin})) {
    node->cos = table.cos;
    node->sin = table.sin;
    node->first_position = first_position;
  }
  return y;
}

namespace cpu {
namespace {

/// One head: both halves are read before either is written, so y may be x.
template <class T, class A>
void rotate_head(const T* x, const A* cos, const A* sin, A direction, int64_t half, T* y) {
#pragma omp simd
  for (int64_t i = 0; i < half; ++i) {
    const A a = static_cast<A>(x[i]), b = static_cast<A>(x[i + half]);
    const A c = cos[i], s = direction * sin[i];
    y[i] = static_cast<T>(a * c - b * s);
    y[i + half] = static_cast<T>(b * c + a * s);
  }
}

}  // namespace

void rope_rotate(const Tensor& x, const RopeTable& table, int64_t first_position, int direction, Tensor& y) {
  visit_float(x.dtype(), "rope", [&]<class T>() {
    using A = Accumulator<T>;
    const int64_t tokens = x.size(1), heads = x.size(2), half = x.size(3) / 2;
    const int64_t row = heads * half * 2;
    const T* xs = x.data<T>();
    T* ys = y.data<T>();
    const A* cos = table.cos.data<A>() + first_position * half;
    const A* sin = table.sin.data<A>() + first_position * half;
    parallel_for(x.size(0) * tokens, kElementwiseGrain / std::max<int64_t>(row, 1),
                 [=](int64_t begin, int64_t end) {
                   for (int64_t at = begin; at < end; ++at) {
                     const int64_t turn = at % tokens * half;
                     for (int64_t head = 0; head < heads; ++head) {
                       const int64_t start = at * row + head * half * 2;
                       rotate_head<T, A>(xs + start, cos + turn, sin + turn, static_cast<A>(direction), half,
                                         ys + start);
                     }
                   }
                 });
  });
}

}  // namespace cpu
}  // namespace scca

#include "ops/sum.h"

#include "core/autograd.h"
#include "core/registers.h"

namespace scca {
namespace {

constexpr int64_t kPiece = 4096;  // elements that one thread or one block adds

struct SumNode : Node {
  const char* name() const override { return "sum"; }

  std::vector<Tensor> backward(Tensor dsums) override {
    Tensor dx = Tensor::empty(of, dsums.dtype(), dsums.device());
    SCCA_ON_DEVICE(dsums.device(), spread_pieces(dsums, piece, dx));
    return {dx};
  }

  Shape of;
  int64_t piece = 1;
};

Tensor recorded_sum(Tensor y, const Tensor& x, int64_t piece) {
  if (auto node = record<SumNode>(y, {&x})) {
    node->of = x.shape();
    node->piece = piece;
  }
  return y;
}

}  // namespace

Tensor sum_last(const Tensor& x) {
  SCCA_CHECK(x.rank() >= 1, "sum_last: x is a scalar, expected rows [..., D]");
  Shape shape = x.shape();
  shape.back() = 1;
  Tensor y = Tensor::empty(shape, x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), sum_pieces(x, x.size(-1), y));
  return recorded_sum(y, x, x.size(-1));
}

Tensor sum(const Tensor& x) {
  Tensor parts = x.detach();
  while (parts.numel() > kPiece) {
    Tensor sums = Tensor::empty({(parts.numel() + kPiece - 1) / kPiece},
                                x.dtype() == DType::f64 ? DType::f64 : DType::f32, x.device());
    SCCA_ON_DEVICE(x.device(), sum_pieces(parts, kPiece, sums));
    parts = std::move(sums);
  }
  Tensor y = Tensor::empty({}, x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), sum_pieces(parts, kPiece, y));
  return recorded_sum(y, x, std::max<int64_t>(x.numel(), 1));
}

namespace cpu {

void sum_pieces(const Tensor& x, int64_t piece, Tensor& sums) {
  visit_float(x.dtype(), "sum", [&]<class T>() {
    visit_float(sums.dtype(), "sum", [&]<class S>() {
      const int64_t n = x.numel();
      const T* xs = x.data<T>();
      S* to = sums.data<S>();
      for_each_row(sums.numel(), piece, [=](int64_t row) {
        Lanes<T> sum{};
        for_each_register<T>(row * piece, std::min(n, (row + 1) * piece),
                             [&](const auto& load, const auto&) { sum += load(xs); });
        to[row] = static_cast<S>(lanes_sum(sum));
      });
    });
  });
}

void spread_pieces(const Tensor& dsums, int64_t piece, Tensor& dx) {
  visit_float(dx.dtype(), "sum", [&]<class T>() {
    const T* from = dsums.data<T>();
    T* to = dx.data<T>();
    for_each_row_part(dx.numel(), piece, [=](int64_t row, int64_t begin, int64_t end) {
      std::fill(to + begin, to + end, from[row]);
    });
  });
}

}  // namespace cpu
}  // namespace scca

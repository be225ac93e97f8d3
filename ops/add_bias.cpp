#include "ops/add_bias.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/column_parameter.h"
#include "ops/row_groups.h"

namespace scca {
namespace {

struct AddBiasNode : Node {
  const char* name() const override { return "add_bias"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dbias;
    if (wants(1)) {
      dbias = Tensor::empty({dy.size(-1)}, bias_dtype, dy.device());
      Tensor sums = row_group_sums(dy);
      SCCA_ON_DEVICE(dy.device(), add_bias_backward(dy, dbias, sums));
    }
    return {wants(0) ? std::move(dy) : Tensor(), dbias};
  }

  DType bias_dtype = DType::f32;
};

}  // namespace

Tensor add_bias(Tensor x, const Tensor& bias) {
  SCCA_CHECK(x.rank() >= 1 && bias.rank() == 1 && bias.size(0) == x.size(-1), "add_bias: bias is ",
             to_string(bias.shape()), ", x is ", to_string(x.shape()), "; bias needs x's last size");
  SCCA_CHECK(bias.dtype() == x.dtype() || bias.dtype() == DType::f32, "add_bias: bias is ",
             name_of(bias.dtype()), ", x is ", name_of(x.dtype()), "; bias must be f32 or as x");
  Tensor y = x.unique() ? x.detach() : Tensor::empty(x.shape(), x.dtype(), x.device());
  SCCA_ON_DEVICE(x.device(), add_bias_forward(x, bias, y));
  if (auto node = record<AddBiasNode>(y, {&x, &bias})) node->bias_dtype = bias.dtype();
  return y;
}

namespace cpu {
namespace {

template <class T, class B>
void forward(const Tensor& x, const Tensor& bias, Tensor& y) {
  using A = Accumulator<T>;
  const int64_t width = x.size(-1);
  const T* xs = x.data<T>();
  const B* bs = bias.data<B>();
  T* ys = y.data<T>();
  parallel_for(x.numel() / std::max<int64_t>(width, 1), kElementwiseGrain / std::max<int64_t>(width, 1),
               [=](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row) {
                   const T* in = xs + row * width;
                   T* out = ys + row * width;
#pragma omp simd
                   for (int64_t i = 0; i < width; ++i)
                     out[i] = static_cast<T>(static_cast<A>(in[i]) + static_cast<A>(bs[i]));
                 }
               });
}

template <class T, class B>
void backward(const Tensor& dy, Tensor& dbias, Tensor& sums) {
  using A = Accumulator<T>;
  const int64_t width = dy.size(-1), rows = dy.numel() / std::max<int64_t>(width, 1);
  const int64_t group = row_group(rows, Device::cpu), groups = sums.size(0);
  const T* dys = dy.data<T>();
  A* parts = sums.data<A>();
  parallel_for(groups, 1, [=](int64_t begin, int64_t end) {
    std::fill(parts + begin * width, parts + end * width, A(0));
    for (int64_t row = begin * group; row < std::min(rows, end * group); ++row) {
      const T* in = dys + row * width;
      A* sum = parts + row / group * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) sum[i] += static_cast<A>(in[i]);
    }
  });
  add_row_groups(parts, groups, width, dbias.data<B>());
}

}  // namespace

void add_bias_forward(const Tensor& x, const Tensor& bias, Tensor& y) {
  visit_rows_and_parameter("add_bias", x, bias, [&]<class T, class B>() { forward<T, B>(x, bias, y); });
}

void add_bias_backward(const Tensor& dy, Tensor& dbias, Tensor& sums) {
  visit_rows_and_parameter("add_bias", dy, dbias,
                           [&]<class T, class B>() { backward<T, B>(dy, dbias, sums); });
}

}  // namespace cpu
}  // namespace scca

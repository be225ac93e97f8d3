#include "core/accumulate.h"

#include "core/parallel.h"

namespace scca {

void accumulate(Tensor& sum, Tensor term) {
  if (!sum) {
    sum = std::move(term);
    return;
  }
  SCCA_CHECK(sum.numel() == term.numel() && sum.dtype() == term.dtype(), "accumulate: gradients of ",
             to_string(sum.shape()), " ", name_of(sum.dtype()), " and ", to_string(term.shape()), " ",
             name_of(term.dtype()), " meet");
  if (sum.unique()) {
    SCCA_ON_DEVICE(sum.device(), add_in_place(sum, term));
  } else if (term.unique()) {  // addition commutes, also in floating point
    SCCA_ON_DEVICE(sum.device(), add_in_place(term, sum));
    sum = term.reshape(sum.shape());
  } else {
    Tensor fresh = Tensor::empty(sum.shape(), sum.dtype(), sum.device());
    SCCA_ON_DEVICE(sum.device(), add_out_of_place(sum, term, fresh));
    sum = std::move(fresh);
  }
}

namespace cpu {

void add_out_of_place(const Tensor& a, const Tensor& b, Tensor& sum) {
  visit_float(sum.dtype(), "accumulate", [&]<class T>() {
    const T* x = a.data<T>();
    const T* y = b.data<T>();
    T* out = sum.data<T>();
    parallel_for(sum.numel(), kElementwiseGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        out[i] = static_cast<T>(static_cast<Accumulator<T>>(x[i]) + static_cast<Accumulator<T>>(y[i]));
      }
    });
  });
}

void add_in_place(Tensor& sum, const Tensor& term) { add_out_of_place(sum, term, sum); }

}  // namespace cpu
}  // namespace scca

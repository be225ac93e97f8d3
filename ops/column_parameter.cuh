#pragma once
// ops/column_parameter.h for kernels whose threads take packs of columns.
#include "core/elementwise.cuh"

namespace scca::cuda {

/// f<T of the rows, type of the parameter, N elements a pack>: the parameter is f32 beside bf16 activations,
/// else as the rows. `packs`: all begin where packs may be loaded.
template <class F>
void visit_rows_and_parameter(const char* op, const Tensor& rows, const Tensor& parameter, bool packs,
                              F&& f) {
  visit_work(rows.dtype(), op, [&]<class T>() {
    visit_pack<kPack<T>>(packs && rows.size(-1) % kPack<T> == 0, [&]<int N>() {
      if (parameter.dtype() == rows.dtype()) {
        f.template operator()<T, T, N>();
      } else {
        f.template operator()<T, float, N>();
      }
    });
  });
}

}  // namespace scca::cuda

#pragma once
// Ops with a parameter for each column, rows [..., D] and weight or bias [D]: which types the two have.
#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// f(T of the rows, type of the parameter): the parameter is f32 beside bf16 activations, else as the rows.
template <class F>
void visit_rows_and_parameter(const char* op, const Tensor& rows, const Tensor& parameter, F&& f) {
  visit_float(rows.dtype(), op, [&]<class T>() {
    if (parameter.dtype() == rows.dtype()) {
      f.template operator()<T, T>();
    } else {
      f.template operator()<T, float>();
    }
  });
}

}  // namespace scca

#include "ops/add.h"

#include "core/accumulate.h"
#include "core/autograd.h"

namespace scca {
namespace {

struct AddNode : Node {
  const char* name() const override { return "add"; }
  std::vector<Tensor> backward(Tensor dy) override {
    return {wants(0) ? dy : Tensor(), wants(1) ? dy : Tensor()};
  }
};

}  // namespace

Tensor add(Tensor a, const Tensor& b) {
  SCCA_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "add: ", to_string(a.shape()), " ",
             name_of(a.dtype()), " and ", to_string(b.shape()), " ", name_of(b.dtype()),
             " differ; nothing is broadcast or cast");
  Tensor y = a.unique() ? a.detach() : Tensor::empty(a.shape(), a.dtype(), a.device());
  SCCA_ON_DEVICE(a.device(), add_out_of_place(a, b, y));
  record<AddNode>(y, {&a, &b});
  return y;
}

}  // namespace scca

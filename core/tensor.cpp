#include "core/tensor.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/dispatch.h"
#include "core/memory.h"

namespace scca {
namespace {

struct RowsNode : Node {
  const char* name() const override { return "rows"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dx = Tensor::zeros(whole, dy.dtype(), dy.device());
    dx.rows(begin, dy.size(0)).copy_from(dy);
    return {dx};
  }

  Shape whole;
  int64_t begin = 0;
};

Leaf* as_leaf(const std::shared_ptr<Node>& node) { return dynamic_cast<Leaf*>(node.get()); }

}  // namespace

int64_t numel(const Shape& shape) {
  int64_t n = 1;
  for (const int64_t size : shape) {
    SCCA_CHECK(!__builtin_mul_overflow(n, size, &n) && n <= int64_t{1} << 60, "tensor: shape ",
               to_string(shape), " has more than 2^60 elements");
  }
  return n;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

size_t bytes_of(const Shape& shape, DType dtype) {
  const int64_t count = numel(shape);
  if (!is_blocks(dtype)) return static_cast<size_t>(count) * size_of(dtype);
  SCCA_CHECK(shape.size() == 2 && shape[1] % layout_of(dtype).elements == 0, "tensor: ", to_string(shape),
             " is no matrix with rows of whole blocks of ", layout_of(dtype).elements, ", as ",
             name_of(dtype), " needs them");
  return static_cast<size_t>(shape[0]) * row_bytes(dtype, shape[1]);
}

Tensor Tensor::over(std::shared_ptr<Storage> storage, size_t byte_offset, Shape shape, DType dtype) {
  Tensor t;
  t.storage_ = std::move(storage);
  t.byte_offset_ = byte_offset;
  t.numel_ = scca::numel(shape);
  t.shape_ = std::move(shape);
  t.dtype_ = dtype;
  SCCA_CHECK(t.byte_offset_ + t.bytes() <= t.storage_->bytes(), "tensor: shape ", to_string(t.shape_), " of ",
             name_of(dtype), " needs ", t.bytes(), " bytes from ", byte_offset, ", the storage has ",
             t.storage_->bytes());
  return t;
}

Tensor Tensor::empty(Shape shape, DType dtype, Device device) {
  for (const int64_t size : shape) SCCA_CHECK(size >= 0, "tensor: negative size in shape ", to_string(shape));
  auto storage = Storage::allocate(bytes_of(shape, dtype), device);
  return over(std::move(storage), 0, std::move(shape), dtype);
}

Tensor Tensor::zeros(Shape shape, DType dtype, Device device) {
  Tensor t = empty(std::move(shape), dtype, device);
  SCCA_MEMORY(device, set_bytes(t.raw(), 0, t.bytes()));  // all our dtypes are zero when their bits are
  return t;
}

Tensor Tensor::full(Shape shape, double value, DType dtype, Device device) {
  Tensor t = empty(std::move(shape), dtype);
  if (!t.has_values()) return t.to(device);
  visit_dtype(dtype, "full", [&]<class T>() { std::fill_n(t.data<T>(), t.numel(), static_cast<T>(value)); });
  return t.to(device);
}

int64_t Tensor::size(int64_t dim) const {
  const int64_t d = dim < 0 ? dim + rank() : dim;
  SCCA_CHECK(d >= 0 && d < rank(), "tensor: dimension ", dim, " of a tensor of shape ", to_string(shape_));
  return shape_[static_cast<size_t>(d)];
}

double Tensor::item() const {
  SCCA_CHECK(numel_ == 1, "tensor: item() of shape ", to_string(shape_), ", expected one element");
  if (!has_values()) return 0;
  return visit_dtype(dtype_, "item", [&]<class T>() { return static_cast<double>(to_vector<T>()[0]); });
}

Tensor Tensor::reshape(Shape shape) const& { return Tensor(*this).reshape(std::move(shape)); }

Tensor Tensor::reshape(Shape shape) && {
  const auto unknown = std::find(shape.begin(), shape.end(), -1);
  if (unknown != shape.end()) {
    *unknown = 1;
    const int64_t rest = scca::numel(shape);
    SCCA_CHECK(rest > 0 && numel_ % rest == 0, "reshape: ", to_string(shape_),
               " does not divide into the given sizes");
    *unknown = numel_ / rest;
  }
  SCCA_CHECK(!is_blocks(dtype_) || shape == shape_, "reshape: ", to_string(shape_), " of ", name_of(dtype_),
             " keeps its rows, which are blocks");
  SCCA_CHECK(scca::numel(shape) == numel_, "reshape: ", to_string(shape_), " has ", numel_, " elements, ",
             to_string(shape), " has ", scca::numel(shape));
  shape_ = std::move(shape);
  return std::move(*this);
}

Tensor Tensor::rows(int64_t begin, int64_t count) const {
  SCCA_CHECK(rank() > 0 && begin >= 0 && count >= 0 && begin + count <= shape_[0], "rows: [", begin, ", ",
             begin + count, ") of shape ", to_string(shape_));
  Shape shape = shape_;
  shape[0] = count;
  const size_t row = shape_[0] ? bytes() / static_cast<size_t>(shape_[0]) : 0;
  Tensor y = over(storage_, byte_offset_ + static_cast<size_t>(begin) * row, std::move(shape), dtype_);
  if (auto node = record<RowsNode>(y, {this})) {
    node->whole = shape_;
    node->begin = begin;
  }
  return y;
}

void Tensor::check_leaves_no_gradient(const char* what) const {
  SCCA_CHECK(!node_ || !grad_enabled(), what, ": the copy of this tensor ", to_string(shape_),
             " would lose its gradient; detach() it first where that is meant");
}

Tensor Tensor::clone() const {
  check_leaves_no_gradient("clone");
  Tensor t = empty(shape_, dtype_, device());
  SCCA_MEMORY(device(), copy_within(t.raw(), raw(), bytes()));
  return t;
}

Tensor Tensor::to(Device device) const {
  check_leaves_no_gradient("to");
  if (!storage_ || device == this->device()) return detach();
  Tensor t = empty(shape_, dtype_, device);
  t.copy_from(*this);
  return t;
}

void Tensor::copy_from(const Tensor& other) {
  other.check_leaves_no_gradient("copy");
  SCCA_CHECK(!node_ || as_leaf(node_), "copy: into the output of ", node_->name(), " ", to_string(shape_),
             ", whose gradient is that of the values it has; detach() it first where that is meant");
  SCCA_CHECK(shape_ == other.shape_ && dtype_ == other.dtype_, "copy: ", to_string(other.shape_), " ",
             name_of(other.dtype_), " does not go into ", to_string(shape_), " ", name_of(dtype_));
  if (device() == other.device()) {
    SCCA_MEMORY(device(), copy_within(raw(), other.raw(), bytes()));
  } else if (device() == Device::cpu) {
    SCCA_MEMORY(other.device(), copy_to_host(raw(), other.raw(), bytes()));
  } else {
    SCCA_MEMORY(device(), copy_from_host(raw(), other.raw(), bytes()));
  }
}

Tensor Tensor::detach() const {
  Tensor t = *this;
  t.node_.reset();
  return t;
}

Tensor& Tensor::set_requires_grad(bool wanted) {
  if (!wanted) {
    node_.reset();
    return *this;
  }
  SCCA_CHECK(dtype_ != DType::i32, "set_requires_grad: tensor ", to_string(shape_),
             " is i32; integers have no gradient");
  SCCA_CHECK(!is_blocks(dtype_), "set_requires_grad: tensor ", to_string(shape_), " is ", name_of(dtype_),
             ", which is only read; cast it to f32 first");
  SCCA_CHECK(!node_ || as_leaf(node_), "set_requires_grad: tensor ", to_string(shape_), " is the output of ",
             node_->name(), "; detach() it first to make a leaf of it");
  if (!node_) {
    node_ = std::make_shared<Leaf>();
    node_->describe(*this);
  }
  return *this;
}

Tensor Tensor::grad() const {
  if (!node_) return {};
  const Leaf* leaf = as_leaf(node_);
  SCCA_CHECK(leaf, "grad: tensor ", to_string(shape_), " is the output of ", node_->name(),
             "; only a leaf keeps its gradient");
  return leaf->grad;
}

void Tensor::set_grad(Tensor grad) {
  Leaf* leaf = as_leaf(node_);
  SCCA_CHECK(leaf, "set_grad: only a leaf that requires a gradient holds one");
  if (grad) {
    check_gradient("set_grad", grad, shape_, dtype_, device());
    grad = std::move(grad).reshape(leaf->shape);
  }
  leaf->grad = std::move(grad);
}

}  // namespace scca

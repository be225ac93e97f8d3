#pragma once
// A tensor is a handle: contiguous storage, shape, dtype, device and, where gradients are wanted, the node
// that made it. Copying a Tensor copies the handle. There are no strides: kernels that want another order
// read with their own index.
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/dtype.h"
#include "core/recorder.h"
#include "core/storage.h"

namespace scca {

class Node;  // core/autograd.h
using Shape = std::vector<int64_t>;

/// The product of the sizes. Throws Error beyond 2^60, whose bytes no pointer counts.
int64_t numel(const Shape& shape);
/// "[2, 3]"
std::string to_string(const Shape& shape);
/// What the elements take. Throws Error for a block dtype unless it is a matrix whose rows are whole blocks.
size_t bytes_of(const Shape& shape, DType dtype);

class Tensor {
 public:
  /// The empty tensor: absent, or a gradient that nobody wants.
  Tensor() = default;

  static Tensor empty(Shape shape, DType dtype = DType::f32, Device device = Device::cpu);
  static Tensor zeros(Shape shape, DType dtype = DType::f32, Device device = Device::cpu);
  static Tensor full(Shape shape, double value, DType dtype = DType::f32, Device device = Device::cpu);
  /// A tensor over borrowed memory (a mapped file), to be read only.
  static Tensor over(std::shared_ptr<Storage> storage, size_t byte_offset, Shape shape, DType dtype);
  template <class T>
  static Tensor of(const std::vector<T>& values, Shape shape);

  explicit operator bool() const { return storage_ != nullptr; }
  /// No while memory is only planned (core/planning.h): then there is a shape, and nothing may be read or
  /// written.
  bool has_values() const { return storage_ && !storage_->planned(); }
  /// For plans: what this tensor's memory is for.
  void mark(MemoryKind kind) const {
    if (storage_) storage_->mark(kind);
  }
  MemoryKind kind() const { return storage_ ? storage_->kind() : MemoryKind::workspace; }

  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  /// Size of one dimension; -1 is the last.
  int64_t size(int64_t dim) const;
  int64_t numel() const { return numel_; }
  size_t bytes() const { return bytes_of(shape_, dtype_); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device::cpu; }

  /// The elements, in the device's memory: only its kernels may follow the pointer. T must be the dtype's
  /// type. A kernel writes through a non-const handle, and a pointer asked for through one counts as a write
  /// at that moment: what a forward saved before is stale from then on, and its backward says so. (A write
  /// later, through a pointer kept over a forward, is seen by nobody.) Non-const access to borrowed memory
  /// throws Error.
  template <class T>
  const T* data() const;
  template <class T>
  T* data();
  const std::byte* raw() const {
    const std::byte* memory = storage_->data() + byte_offset_;
    if (Recorder::any()) note_access(memory, bytes(), false);
    return memory;
  }
  std::byte* raw() {
    std::byte* memory = storage_->writable() + byte_offset_;
    if (Recorder::any()) note_access(memory, bytes(), true);
    return memory;
  }
  /// Storage::version, 0 for the empty tensor. Views count together: a write to one row is a write to all.
  uint64_t version() const { return storage_ ? storage_->version() : 0; }
  std::weak_ptr<const Storage> memory() const { return storage_; }

  /// The one element of a tensor of one element; 0 where it is only planned. Waits for the device.
  double item() const;
  /// The elements, wherever they are. Waits for the device.
  template <class T>
  std::vector<T> to_vector() const;

  /// The same elements under another shape; one size may be -1. Free, also for autograd: gradients take the
  /// shape of the tensor that was made. Throws Error for a block dtype, whose rows stay rows.
  Tensor reshape(Shape shape) const&;
  Tensor reshape(Shape shape) &&;  // keeps a unique handle unique, so that the next op may work in place
  /// Rows [begin, begin + count) of the first dimension, sharing storage. An op: gradients flow into those
  /// rows.
  Tensor rows(int64_t begin, int64_t count) const;

  // These three copy numbers and no gradient. Where one would be lost (of a tensor that requires it, while
  // ops are recorded) they throw Error: detach() says that this is meant.
  /// A copy of the elements.
  Tensor clone() const;
  /// The same elements in the memory of `device`: this tensor, if they are there.
  Tensor to(Device device) const;
  /// Overwrites the elements with those of a tensor of this shape and dtype, on any device. Throws Error also
  /// when this is an op's output that requires a gradient: it would be the gradient of the values before.
  void copy_from(const Tensor& other);

  /// The same elements without a node.
  Tensor detach() const;

  /// True when no other handle shares the storage and it may be written: an op may then work in place.
  bool unique() const { return storage_.use_count() == 1 && !storage_->borrowed(); }
  /// True over memory that is not ours to write (a mapped file).
  bool borrowed() const { return storage_ && storage_->borrowed(); }
  bool same_storage(const Tensor& other) const { return storage_ == other.storage_; }

  bool requires_grad() const { return node_ != nullptr; }
  /// Makes this a leaf whose gradient is wanted (or not). Every copy made afterwards shares the leaf. Throws
  /// Error for an op's output (detach() it first), for integers and for block dtypes.
  Tensor& set_requires_grad(bool wanted = true);
  /// The gradient gathered in a leaf; empty before the first backward, or where none is wanted. Throws Error
  /// for an op's output, which keeps none.
  Tensor grad() const;
  /// Puts `grad` (or, empty, nothing) in its place. Throws Error unless it has this leaf's shape, dtype and
  /// device.
  void set_grad(Tensor grad);

  const std::shared_ptr<Node>& node() const { return node_; }
  void set_node(std::shared_ptr<Node> node) { node_ = std::move(node); }

 private:
  void check_leaves_no_gradient(const char* what) const;

  std::shared_ptr<Storage> storage_;
  size_t byte_offset_ = 0;
  Shape shape_;
  int64_t numel_ = 0;
  DType dtype_ = DType::f32;
  std::shared_ptr<Node> node_;
};

template <class T>
const T* Tensor::data() const {
  SCCA_CHECK(dtype_ == DTypeOf<T>::value, "tensor: read as ", name_of(DTypeOf<T>::value), " but holds ",
             name_of(dtype_));
  SCCA_CHECK(!storage_ || has_values(), "tensor: ", to_string(shape_), " is only planned and has no values");
  return storage_ ? reinterpret_cast<const T*>(raw()) : nullptr;
}

template <class T>
T* Tensor::data() {
  const T* elements = static_cast<const Tensor*>(this)->data<T>();
  return elements ? reinterpret_cast<T*>(raw()) : nullptr;
}

template <class T>
Tensor Tensor::of(const std::vector<T>& values, Shape shape) {
  Tensor t = empty(std::move(shape), DTypeOf<T>::value);
  SCCA_CHECK(t.numel() == static_cast<int64_t>(values.size()), "tensor: ", values.size(),
             " values do not fill shape ", to_string(t.shape()));
  if (t.has_values()) std::copy(values.begin(), values.end(), t.data<T>());
  return t;
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor host = detach().to(Device::cpu);
  return std::vector<T>(host.data<T>(), host.data<T>() + numel_);
}

}  // namespace scca

#pragma once
// Reverse-mode differentiation. An op that is asked for gradients leaves a Node on its output: what its
// backward needs, and edges to the nodes of its inputs. backward() walks these nodes from the loss down and
// hands every leaf its gradient.
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/region.h"
#include "core/tensor.h"

namespace scca {

/// A tensor as a node saves it: detached, so that a saved input does not keep the graph below it alive. It
/// belongs to its node and has a name there, since backward refuses to run where its memory was written after
/// it was saved:
///
///   Saved weight{*this, "weight"};
///
/// An input whose own node can remake it holds no memory: it is empty until backward comes to the node.
class Saved : public Tensor {
 public:
  Saved(Node& node, const char* name);
  Saved& operator=(const Tensor& tensor);
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

 private:
  friend class Node;
  void remake();

  const Node& node_;
  const char* name_;
  Saved* next_;  // of the same node
  uint64_t version_ = 0;
  Node* maker_ = nullptr;  // of an input that is to be remade: below node_, which keeps it alive
};

/// One recorded op with one output. Edges point to nodes, never to tensors, so a node keeps alive only what
/// it saved.
class Node {
 public:
  virtual ~Node();
  virtual const char* name() const = 0;

  /// The gradients of the inputs, in their order; an unwanted one is an empty tensor. `grad` has the output's
  /// shape. Called once: a node may move its saved tensors out, and may write `grad` when it holds the only
  /// handle.
  virtual std::vector<Tensor> backward(Tensor grad) = 0;

  /// Whether the gradient of this input is wanted: decided when the op was recorded.
  bool wants(size_t input) const { return edges[input] != nullptr; }

  /// Throws Error, naming op and tensor, where backward would read values that forward has not seen.
  /// backward() asks all nodes before it runs one.
  virtual void check_fresh() const;

  /// Takes shape, dtype, device and version from the output.
  void describe(const Tensor& output);

  /// Makes the output once more, to the same bits, from what this node saved, as often as it is asked. Set by
  /// an op for which that is cheap beside holding its output until backward (a norm, not a product).
  std::function<Tensor()> remake;

  /// Fills in those of its saved tensors that hold no memory. backward() does it before it runs a node.
  void remake_saved();

  std::vector<std::shared_ptr<Node>> edges;  // one per input; null where no gradient is wanted
  Shape shape;                               // of the output, as are dtype and device
  DType dtype = DType::f32;
  Device device = Device::cpu;
  uint64_t version = 0;   // of the output's memory when it was made
  Where where;            // the op was recorded; its backward belongs there too
  bool consumed = false;  // backward has passed; a second pass is an error

 private:
  friend class Saved;
  Saved* saved_ = nullptr;  // the first of a list
};

/// Where a parameter's gradient is gathered, over as many backward passes as it takes until it is cleared.
class Leaf : public Node {
 public:
  const char* name() const override { return "leaf"; }
  std::vector<Tensor> backward(Tensor grad) override;
  Tensor grad;
};

bool grad_enabled();

/// No op is recorded while one of these lives (evaluation, optimizer steps, the first run of a checkpointed
/// block).
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

/// Puts `node` behind `output`, with an edge for each input that requires a gradient.
void attach(const std::shared_ptr<Node>& node, Tensor& output, std::span<const Tensor* const> inputs);

/// Whether the node that made this tensor can make it again: then saving it takes no memory.
bool can_remake(const Tensor& tensor);

/// Whether an op over these inputs is to be recorded. The first run of a checkpointed block notes here what
/// it reads.
bool recorded(std::span<const Tensor* const> inputs);

/// Records N as the maker of `output` if any input requires a gradient (null otherwise). `inputs` is every
/// tensor that the op read, also those that have no gradient (ids, tables), which come last. The caller then
/// saves in the node what the wanted gradients read, and nothing else:
///
///   if (auto node = record<SwigluNode>(y, {&gate, &up})) { node->gate = gate; node->up = up; }
template <class N>
std::shared_ptr<N> record(Tensor& output, std::span<const Tensor* const> inputs) {
  if (!recorded(inputs)) return nullptr;
  auto node = std::make_shared<N>();
  attach(node, output, inputs);
  return node;
}
template <class N>
std::shared_ptr<N> record(Tensor& output, std::initializer_list<const Tensor*> inputs) {
  return record<N>(output, std::span(inputs.begin(), inputs.size()));
}

/// Gradients of a scalar (seeded with 1), or of any output (seeded with `grad`), to all leaves below it. The
/// graph is consumed and freed on the way. Throws Error, before any gradient is touched, when `output` has no
/// node, `grad` is not of its shape, dtype and device, the graph was consumed before, or a tensor that it
/// saved was written since; and when an op's backward makes a gradient that does not fit its input.
void backward(const Tensor& output, Tensor grad = {});

/// Throws Error unless `grad` has this shape, dtype and device.
void check_gradient(const char* who, const Tensor& grad, const Shape& shape, DType dtype, Device device);

/// What a checkpointed block keeps: its input, or with it what its ops find dear to make again
/// (kept_results).
enum class Keep : uint8_t { input, dear };

/// `block(x)`, computed without a graph: only x, the random state and what `keep` says are kept, and backward
/// runs the block again. The same numbers as block(x), for the memory of one block at a time (Chen et al.,
/// arXiv 1604.06174). Throws Error in backward when x, or a tensor from outside the block that one of its ops
/// read, was written since.
Tensor checkpoint(std::function<Tensor(const Tensor&)> block, const Tensor& x, Keep keep = Keep::input);

/// make(), for an op whose results are small beside the work of making them. In a checkpointed block of
/// Keep::dear the first run keeps them and the second is handed them, the calls in their order: backward has
/// the same numbers without a second make(). Nobody may write them.
std::vector<Tensor> kept_results(const std::function<std::vector<Tensor>()>& make);

}  // namespace scca

#include "core/autograd.h"

#include <unordered_map>

#include "core/accumulate.h"
#include "core/random.h"

namespace scca {
namespace {

thread_local bool recording = true;

/// How many recorded consumers below `root` each node has: it may run when all of them have.
std::unordered_map<Node*, int64_t> count_consumers(Node* root) {
  std::unordered_map<Node*, int64_t> consumers{{root, 0}};
  std::vector<Node*> stack{root};
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    SCCA_CHECK(!node->consumed, "backward: the graph of ", node->name(),
               " was used by an earlier backward; run the forward again");
    for (const auto& edge : node->edges) {
      if (!edge) continue;
      const auto [at, is_new] = consumers.try_emplace(edge.get(), 0);
      ++at->second;
      if (is_new) stack.push_back(edge.get());
    }
  }
  return consumers;
}

class CheckpointNode : public Node {
 public:
  const char* name() const override { return "checkpoint"; }

  std::vector<Tensor> backward(Tensor grad) override {
    const RandomState now = random_state();
    set_random_state(random);
    Tensor input = std::move(x);
    if (wants(0)) input.set_requires_grad();
    const Tensor output = block(input);
    set_random_state(now);
    if (output.requires_grad()) scca::backward(output, std::move(grad));
    return {input.grad()};
  }

  std::function<Tensor(const Tensor&)> block;
  Saved x;
  RandomState random;
};

}  // namespace

/// A long chain would overflow the stack if each node's destructor freed the next: nodes that die here are
/// unlinked first, one after the other.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> dying = std::move(edges);
  while (!dying.empty()) {
    const std::shared_ptr<Node> node = std::move(dying.back());
    dying.pop_back();
    if (node.use_count() != 1) continue;
    for (auto& edge : node->edges) dying.push_back(std::move(edge));
    node->edges.clear();
  }
}

std::vector<Tensor> Leaf::backward(Tensor gradient) {
  accumulate(grad, std::move(gradient));
  return {};
}

bool grad_enabled() { return recording; }
NoGrad::NoGrad() : before_(recording) { recording = false; }
NoGrad::~NoGrad() { recording = before_; }

void attach(const std::shared_ptr<Node>& node, Tensor& output, std::initializer_list<const Tensor*> inputs) {
  for (const Tensor* input : inputs) node->edges.push_back(input->node());
  node->shape = output.shape();
  output.set_node(node);
}

void backward(const Tensor& output, Tensor grad) {
  SCCA_CHECK(output.requires_grad(), "backward: the output has no graph; no input of it requires a gradient");
  if (!grad) {
    SCCA_CHECK(output.numel() == 1, "backward: output of shape ", to_string(output.shape()),
               " needs a gradient of its shape; only a scalar starts with 1");
    grad = Tensor::full(output.shape(), 1.0, output.dtype(), output.device());
  }
  auto consumers = count_consumers(output.node().get());
  std::unordered_map<Node*, Tensor> grads;
  std::vector<std::shared_ptr<Node>> ready{output.node()};
  grads[ready.back().get()] = std::move(grad);

  while (!ready.empty()) {
    const std::shared_ptr<Node> node = std::move(ready.back());
    ready.pop_back();
    auto entry = grads.extract(node.get());
    const bool is_leaf = node->edges.empty();
    std::vector<Tensor> outgoing(node->edges.size());
    if (!entry.empty()) {  // the node gets the only handle of its gradient, so that it may write it
      Tensor incoming = std::move(entry.mapped()).reshape(node->shape);
      entry = {};
      outgoing = node->backward(std::move(incoming));
    }
    if (!is_leaf) node->consumed = true;
    const auto edges = std::move(node->edges);
    node->edges.clear();
    for (size_t i = 0; i < edges.size(); ++i) {
      if (!edges[i]) continue;
      if (i < outgoing.size() && outgoing[i]) accumulate(grads[edges[i].get()], std::move(outgoing[i]));
      if (--consumers[edges[i].get()] == 0) ready.push_back(edges[i]);
    }
  }
}

Tensor checkpoint(std::function<Tensor(const Tensor&)> block, const Tensor& x) {
  if (!grad_enabled()) return block(x);
  auto node = std::make_shared<CheckpointNode>();
  node->random = random_state();
  Tensor y;
  {
    NoGrad no_grad;
    y = block(x);
  }
  node->block = std::move(block);
  node->x = x;
  attach(node, y, {&x});
  return y;
}

}  // namespace scca

#include "core/autograd.h"

#include <algorithm>
#include <deque>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/accumulate.h"
#include "core/random.h"

namespace scca {
namespace {

thread_local bool recording = true;

/// Memory that an op of a checkpointed block read, and which of its values.
struct Read {
  std::weak_ptr<const Storage> memory;
  uint64_t version;
  Shape shape;
};
thread_local std::vector<Read>* reads = nullptr;  // where the first run of such a block notes them

/// What a block's ops have kept, call by call.
using KeptCalls = std::deque<std::vector<Tensor>>;
thread_local KeptCalls *keeping = nullptr,  // in the first run of a block that keeps
    *handing_out = nullptr;                 // in its second

/// While one lives, kept_results() works with these; blocks within blocks each with their own.
class KeptHere {
 public:
  KeptHere(KeptCalls* keep, KeptCalls* hand_out)
      : before_(std::exchange(keeping, keep), std::exchange(handing_out, hand_out)) {}
  ~KeptHere() { std::tie(keeping, handing_out) = before_; }
  KeptHere(const KeptHere&) = delete;
  KeptHere& operator=(const KeptHere&) = delete;

 private:
  std::pair<KeptCalls*, KeptCalls*> before_;
};

/// Those of what `block(x)` read that outlive it and are not its output, which the next op may take over.
std::vector<Read> reads_of(const std::function<Tensor(const Tensor&)>& block, const Tensor& x, Tensor& y) {
  std::vector<Read> noted;
  struct Noting {
    explicit Noting(std::vector<Read>* here) { reads = here; }
    ~Noting() { reads = nullptr; }  // no block within a block comes here: without recording it just runs
  };
  {
    const NoGrad no_grad;
    const Noting noting(&noted);
    y = block(x);
  }
  const auto output = y.memory().lock();
  std::erase_if(noted, [&](const Read& read) {
    const auto memory = read.memory.lock();
    return !memory || memory == output;
  });
  return noted;
}

/// How many recorded consumers below `root` each node has: it may run when all of them have.
std::unordered_map<Node*, int64_t> count_consumers(Node* root) {
  std::unordered_map<Node*, int64_t> consumers{{root, 0}};
  std::vector<Node*> stack{root};
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    SCCA_CHECK(!node->consumed, "backward: the graph of ", node->name(),
               " was used by an earlier backward; run the forward again");
    node->check_fresh();
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
    const Tensor output = run_again(input);
    set_random_state(now);
    if (output.requires_grad()) scca::backward(output, std::move(grad));
    Tensor dx = input.grad();
    dx.mark(MemoryKind::workspace);  // no parameter's
    return {dx};
  }

  void check_fresh() const override {
    Node::check_fresh();
    for (const Read& read : reads) {
      const auto memory = read.memory.lock();
      SCCA_CHECK(
          !memory || memory->version() == read.version, "backward of checkpoint: a tensor ",
          to_string(read.shape),
          " that its block reads was written after forward; write after backward, or run the forward again");
    }
  }

  Tensor run_again(const Tensor& input) {
    const Region again(Way::again);
    const KeptHere here(nullptr, &kept);
    return block(input);
  }

  std::function<Tensor(const Tensor&)> block;
  KeptCalls kept;
  std::vector<Read> reads;
  Saved x{*this, "x"};
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

Saved::Saved(Node& node, const char* name) : node_(node), name_(name), next_(node.saved_) {
  node.saved_ = this;
}

Saved& Saved::operator=(const Tensor& tensor) {
  if (can_remake(tensor) && std::ranges::count(node_.edges, tensor.node())) {
    maker_ = tensor.node().get();
    return *this;
  }
  Tensor::operator=(tensor.detach());
  if (kind() == MemoryKind::workspace) mark(MemoryKind::activations);
  version_ = version();
  return *this;
}

void Saved::remake() {
  Node* const maker = std::exchange(maker_, nullptr);
  if (!maker) return;
  maker->remake_saved();
  Tensor::operator=(maker->remake());
  version_ = version();
}

void Node::remake_saved() {
  for (Saved* saved = saved_; saved; saved = saved->next_) saved->remake();
}

void Node::check_fresh() const {
  for (const Saved* saved = saved_; saved; saved = saved->next_) {
    SCCA_CHECK(saved->version() == saved->version_, "backward of ", name(), ": its saved ", saved->name_, " ",
               to_string(saved->shape()),
               " was written after forward; write after backward, or run the forward again");
  }
}

void Node::describe(const Tensor& output) {
  shape = output.shape();
  dtype = output.dtype();
  device = output.device();
  version = output.version();
}

std::vector<Tensor> Leaf::backward(Tensor gradient) {
  accumulate(grad, std::move(gradient));
  grad.mark(MemoryKind::gradients);
  return {};
}

bool grad_enabled() { return recording; }
NoGrad::NoGrad() : before_(recording) { recording = false; }
NoGrad::~NoGrad() { recording = before_; }

bool can_remake(const Tensor& tensor) {
  const Node* maker = tensor.node().get();
  return maker && maker->remake && tensor.shape() == maker->shape && tensor.version() == maker->version;
}

bool recorded(std::span<const Tensor* const> inputs) {
  bool wanted = false;
  for (const Tensor* input : inputs) {
    if (reads) reads->push_back({input->memory(), input->version(), input->shape()});
    wanted |= input->requires_grad();
  }
  return wanted && recording;
}

void attach(const std::shared_ptr<Node>& node, Tensor& output, std::span<const Tensor* const> inputs) {
  for (const Tensor* input : inputs) node->edges.push_back(input->node());
  node->where = where();
  node->describe(output);
  output.set_node(node);
}

void check_gradient(const char* who, const Tensor& grad, const Shape& shape, DType dtype, Device device) {
  SCCA_CHECK(grad.shape() == shape && grad.dtype() == dtype && grad.device() == device, who,
             ": the gradient is ", to_string(grad.shape()), " ", name_of(grad.dtype()), " on ",
             name_of(grad.device()), ", expected ", to_string(shape), " ", name_of(dtype), " on ",
             name_of(device));
}

void backward(const Tensor& output, Tensor grad) {
  SCCA_CHECK(output.requires_grad(), "backward: the output has no graph; no input of it requires a gradient");
  if (!grad) {
    SCCA_CHECK(output.numel() == 1, "backward: output of shape ", to_string(output.shape()),
               " needs a gradient of its shape; only a scalar starts with 1");
    grad = Tensor::full(output.shape(), 1.0, output.dtype(), output.device());
  }
  check_gradient("backward", grad, output.shape(), output.dtype(), output.device());
  grad.set_node(nullptr);  // gradients of gradients are not taken
  auto consumers = count_consumers(output.node().get());
  std::unordered_map<Node*, Tensor> grads;
  std::vector<std::shared_ptr<Node>> ready{output.node()};
  grads[ready.back().get()] = std::move(grad);

  while (!ready.empty()) {
    const std::shared_ptr<Node> node = std::move(ready.back());
    ready.pop_back();
    const Region region({node->where.name, node->where.index, Way::backward});
    auto entry = grads.extract(node.get());
    const bool is_leaf = node->edges.empty();
    std::vector<Tensor> outgoing(node->edges.size());
    if (!entry.empty()) {  // the node gets the only handle of its gradient, so that it may write it
      Tensor incoming = std::move(entry.mapped()).reshape(node->shape);
      entry = {};
      node->remake_saved();
      outgoing = node->backward(std::move(incoming));
    }
    if (!is_leaf) node->consumed = true;
    const auto edges = std::move(node->edges);
    node->edges.clear();
    for (size_t i = 0; i < edges.size(); ++i) {
      if (!edges[i]) continue;
      if (i < outgoing.size() && outgoing[i]) {
        Node& below = *edges[i];
        Tensor out = std::move(outgoing[i]);
        if (out.numel() == numel(below.shape)) out = std::move(out).reshape(below.shape);
        check_gradient(node->name(), out, below.shape, below.dtype, below.device);
        accumulate(grads[&below], std::move(out));
      }
      if (--consumers[edges[i].get()] == 0) ready.push_back(edges[i]);
    }
  }
}

Tensor checkpoint(std::function<Tensor(const Tensor&)> block, const Tensor& x, Keep keep) {
  if (!grad_enabled()) return block(x);
  auto node = std::make_shared<CheckpointNode>();
  node->random = random_state();
  Tensor y;
  {
    const KeptHere here(keep == Keep::dear ? &node->kept : nullptr, nullptr);
    node->reads = reads_of(block, x, y);
  }
  node->block = std::move(block);
  node->x = x;
  const Tensor* const inputs[] = {&x};
  attach(node, y, inputs);
  return y;
}

std::vector<Tensor> kept_results(const std::function<std::vector<Tensor>()>& make) {
  if (handing_out && !handing_out->empty()) {
    std::vector<Tensor> results = std::move(handing_out->front());
    handing_out->pop_front();
    return results;
  }
  std::vector<Tensor> results = make();
  if (keeping) {
    for (Tensor& result : results) result.mark(MemoryKind::activations);
    keeping->push_back(results);
  }
  return results;
}

}  // namespace scca

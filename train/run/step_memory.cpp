// estimate_memory: a training step told as what is taken and given back, in the order in which core/autograd
// runs it: forward; the loss; backward through the final norm, the blocks from the last to the first, and the
// embedding; AdamW. Every line follows an op: what its node saves, what its backward makes while it still
// holds what it was given.
//
// n tokens (batch * context), D width, F feed-forward width, Q = heads * head_dim, G = key/value heads *
// head_dim, V vocabulary, e bytes of an activation. All figures are bytes.
#include <algorithm>
#include <bit>

#include "core/check.h"
#include "ops/linear_cross_entropy.h"
#include "train/run/block_shape.h"
#include "train/run/memory.h"

namespace scca {
namespace {

class Step {
 public:
  Step(const ModelShape& shape, const TrainSettings& settings)
      : config_(shape.config),
        blocks_(block_shapes(shape)),
        on_cpu_(shape.device == Device::cpu),
        half_(shape.dtype == DType::bf16),
        checkpointing_(settings.checkpointing),
        accumulates_(settings.grad_accum > 1),
        dropout_(shape.lora_dropout > 0),
        n_(settings.batch * settings.context),
        e_(static_cast<int64_t>(size_of(shape.dtype))),
        residual_(rows(config_.hidden_size)),
        inner_(rows(config_.intermediate_size)),
        query_(rows(config_.num_attention_heads * config_.head_dim)),
        key_(rows(config_.num_key_value_heads * config_.head_dim)) {
    read_parameters(shape);
    hand_ = rope_table(settings.context) + 4 * n_;  // and the token ids
    // The first pass of a step gathers gradients one by one; later ones find them all there.
    now_.gradients = accumulates_ ? all_gradients_ : 0;
  }

  MemoryEstimate run() {
    forward();
    loss();
    backward();
    now_.gradients = all_gradients_;
    moment("AdamW");
    return peak_;
  }

 private:
  // ---- what there is

  void read_parameters(const ModelShape& shape) {
    const auto learns = [&](const char* name) { return shape.parameter(name).learns; };
    embed_learns_ = learns("model.embed_tokens.weight");
    norm_learns_ = learns("model.norm.weight");
    head_learns_ = config_.tie_word_embeddings ? embed_learns_ : learns("lm_head.weight");
    for (const ModelShape::Parameter& p : shape.parameters) {
      (p.is_lora() ? now_.adapters : now_.weights) += p.numel() * (p.learns ? learning() : e_);
      now_.optimizer += p.learns ? 2 * learning() * p.numel() : 0;
      all_gradients_ += p.learns ? learning() * p.numel() : 0;
    }
  }

  /// Bytes of a number that learns.
  int64_t learning() const { return half_ ? 4 : e_; }
  /// A tensor of `width` numbers a token, as activations are.
  int64_t rows(int64_t width) const { return n_ * width * e_; }
  int64_t vocabulary(int64_t bytes) const { return config_.vocab_size * config_.hidden_size * bytes; }
  /// One number a token: the scales of a norm.
  int64_t statistic() const { return 4 * n_; }

  /// cos and sin, f32 (Llama::rope_for).
  int64_t rope_table(int64_t context) const {
    return 4 * config_.head_dim * static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(context)));
  }

  /// What a product [m, k] x [k, n] takes while it runs: cuBLAS nothing; on the CPU (ops/matmul.cpp) a
  /// transposed copy where the columns of A lie badly, and in bf16 all three matrices in f32.
  int64_t product(int64_t m, int64_t n, int64_t k, bool transpose_a = false) const {
    if (!on_cpu_) return 0;
    return (half_ ? 4 * (m * n + m * k + k * n) : 0) + (transpose_a && m % 1024 == 0 ? 4 * m * k : 0);
  }

  // ---- the ledger

  /// `more` is there for a moment, besides what is held.
  void moment(const std::string& name, int64_t more = 0) {
    MemoryEstimate point = now_;
    point.workspace = hand_ + more;
    point.moment = name;
    if (point.total() > peak_.total()) peak_ = point;
  }
  void gather(int64_t numbers) {
    if (!accumulates_) now_.gradients += learning() * numbers;
  }

  // ---- forward: what nodes save

  bool saves_input(const LinearShape& l) const { return l.learns || (l.rank > 0 && !dropout_); }

  /// By a linear layer, without its input: weights rounded to bf16, and LoRA's A x with, under dropout, the x
  /// it read.
  int64_t saved_by(const LinearShape& l, bool input) const {
    const int64_t rounded = half_ ? 2 : 0;
    int64_t bytes = l.learns && input ? rounded * l.in * l.out : 0;
    if (l.rank > 0)
      bytes += rows(l.rank) + (dropout_ ? rows(l.in) : 0) + rounded * l.rank * (l.out + (input ? l.in : 0));
    return bytes;
  }

  /// By the other ops of a block, and the inputs that linear layers share. Given back as backward passes
  /// them.
  struct Saved {
    int64_t input_norm, normed_x, attention, post_norm, normed_h, swiglu, product;
  };

  Saved saved_by(const BlockShape& b, const Wanted& wanted) const {
    Saved s{};
    if (wanted.normed_x)
      s.input_norm = statistic() + (checkpointing_ ? 0 : residual_);  // a checkpoint has x itself
    if (saves_input(b.q) || saves_input(b.k) || saves_input(b.v)) s.normed_x = residual_;
    if (wanted.attention)  // q, k, v, the output, which o_proj shares, and the log-sum-exp
      s.attention = 2 * query_ + 2 * key_ + statistic() * config_.num_attention_heads;
    else if (saves_input(b.o))
      s.attention = query_;
    if (wanted.normed_h) s.post_norm = statistic() + residual_;
    if (saves_input(b.gate) || saves_input(b.up)) s.normed_h = residual_;
    if (wanted.product) s.swiglu = inner_ + (wanted.gate ? inner_ : 0);
    if (saves_input(b.down)) s.product = inner_;
    return s;
  }

  int64_t all_saved_by(const BlockShape& b, const Wanted& wanted) const {
    const Saved s = saved_by(b, wanted);
    return s.input_norm + s.normed_x + s.attention + s.post_norm + s.normed_h + s.swiglu + s.product +
           saved_by(b.q, wanted.normed_x) + saved_by(b.k, wanted.normed_x) + saved_by(b.v, wanted.normed_x) +
           saved_by(b.o, wanted.attention) + saved_by(b.gate, wanted.normed_h) +
           saved_by(b.up, wanted.normed_h) + saved_by(b.down, wanted.product);
  }

  bool final_norm_recorded() const { return output_wanted_ || norm_learns_; }
  int64_t saved_by_final_norm() const { return final_norm_recorded() ? residual_ + statistic() : 0; }

  void forward() {
    bool wanted = embed_learns_;
    for (size_t i = 0; i < blocks_.size(); ++i) {
      inputs_wanted_.push_back(wanted);
      const Wanted w(blocks_[i], wanted);
      if (checkpointing_) {
        now_.activations += residual_;
      } else {
        block_forward(i, w);
      }
      wanted = checkpointing_ || w.output;  // a checkpoint's output always has a node
    }
    output_wanted_ = wanted;
    now_.activations += saved_by_final_norm();
  }

  /// Its highest point is the last product, where the feed-forward layer's tensors are there whether saved or
  /// not.
  void block_forward(size_t i, const Wanted& wanted) {
    const BlockShape& b = blocks_[i];
    const Saved saved = saved_by(b, wanted);
    now_.activations += all_saved_by(b, wanted);
    moment(concat("down_proj's forward in block ", i), residual_ + (residual_ - saved.normed_h) +
                                                           (inner_ - saved.product) +
                                                           product(n_, b.down.out, b.down.in));
  }

  // ---- the loss (ops/linear_cross_entropy.cpp) makes its gradients in forward, chunk by chunk

  void loss() {
    const int64_t words = config_.vocab_size;
    const int64_t chunk = loss_chunk_rows(n_, words, DType::f32, on_cpu_ ? Device::cpu : Device::cuda);
    const int64_t logits = 4 * chunk * words, exact = 4 * chunk * config_.hidden_size;
    const int64_t dhidden = final_norm_recorded() ? residual_ : 0;
    // The final hidden states, targets, losses, gradients; the head rounded, where it learns.
    int64_t held = residual_ + 2 * statistic() + dhidden;
    if (head_learns_) held += vocabulary(learning()) + (half_ ? vocabulary(2) : 0);
    int64_t of_chunk = logits;
    if (half_ && on_cpu_) {  // f32 products: the head and the hidden states widened
      held += vocabulary(4);
      of_chunk += exact;
    } else if (half_) {  // the logits' gradient split in two
      of_chunk += logits;
    }
    if (half_ && dhidden > 0) of_chunk += exact;                           // before it is rounded
    if (on_cpu_ && head_learns_ && words % 1024 == 0) of_chunk += logits;  // transposed
    moment("the loss", held + of_chunk);
    if (half_ && head_learns_) moment("the loss", held + vocabulary(2));  // the head's gradient, rounded
    hand_ += dhidden + (head_learns_ ? vocabulary(e_) : 0);
  }

  // ---- backward. What is handed down lies in hand_

  void backward() {
    head_backward();
    if (!final_norm_recorded()) return;
    moment("the final norm's backward", residual_);
    now_.activations -= saved_by_final_norm();
    if (norm_learns_) gather(config_.hidden_size);
    if (!output_wanted_) return;
    for (size_t i = blocks_.size(); i-- > 0;) {
      const Wanted wanted(blocks_[i], inputs_wanted_[i]);
      where_ = concat("backward in block ", i);
      if (checkpointing_) {  // the block runs again; its output is there until its backward is done
        block_forward(i, wanted);
        hand_ += residual_;
      }
      if (wanted.output) block_backward(blocks_[i], wanted);
      if (checkpointing_) {
        now_.activations -= residual_;
        hand_ -= residual_;
      }
      if (!inputs_wanted_[i]) return;
    }
    moment("the embedding's backward", vocabulary(learning()));
    gather(config_.vocab_size * config_.hidden_size);
  }

  /// The gradient of the head: back to f32, and to its place. A tied one waits for that of the embedding.
  void head_backward() {
    if (!head_learns_) return;
    if (half_) moment("the head's backward", vocabulary(4));
    hand_ -= vocabulary(e_);
    if (config_.tie_word_embeddings) {
      hand_ += vocabulary(learning());
    } else {
      moment("the head's backward", accumulates_ ? vocabulary(learning()) : 0);
      gather(config_.vocab_size * config_.hidden_size);
    }
  }

  /// The gradient of a block's output stays at hand to its end: it becomes that of h, then that of x.
  void block_backward(const BlockShape& b, const Wanted& wanted) {
    const Saved saved = saved_by(b, wanted);
    linear_backward("down_proj", b.down, wanted.product, {.dy = 0, .adds = false});
    now_.activations -= saved.product;
    if (wanted.product) {  // dup takes the place of dy, dgate that of gate
      now_.activations -= saved.swiglu;
      hand_ += wanted.gate ? inner_ : 0;
    }
    const bool up = b.up.recorded(wanted.normed_h);
    if (up) linear_backward("up_proj", b.up, wanted.normed_h, {.dy = inner_, .adds = false});
    if (wanted.gate) linear_backward("gate_proj", b.gate, wanted.normed_h, {.dy = inner_, .adds = true});
    if (!up && wanted.product) hand_ -= inner_;
    now_.activations -= saved.normed_h;
    if (wanted.normed_h) norm_backward("post_attention_layernorm", wanted.h, b.post_norm, saved.post_norm);
    if (!wanted.h) return;
    attention_backward(b, wanted, saved);
  }

  void attention_backward(const BlockShape& b, const Wanted& wanted, const Saved& saved) {
    linear_backward("o_proj", b.o, wanted.attention, {.dy = 0, .adds = false});
    if (wanted.attention) {
      // Where dk and dv of a key head come from several query heads, each sums its own in f32; so does the
      // CPU in bf16. CUDA has two numbers a query and head beside.
      const bool in_place = config_.num_attention_heads == config_.num_key_value_heads && !(on_cpu_ && half_);
      const int64_t sums = in_place ? 0 : query_ / e_ * 4 * (wanted.k + wanted.v);
      const int64_t numbers = on_cpu_ ? 0 : 2 * statistic() * config_.num_attention_heads;
      const int64_t gradients = query_ * wanted.q + key_ * (wanted.k + wanted.v);
      moment("attention's " + where_, gradients + sums + numbers);
      hand_ += gradients - query_;
    }
    now_.activations -= saved.attention;
    if (wanted.v) linear_backward("v_proj", b.v, wanted.normed_x, {.dy = key_, .adds = false});
    if (wanted.k) linear_backward("k_proj", b.k, wanted.normed_x, {.dy = key_, .adds = true});
    if (wanted.q) linear_backward("q_proj", b.q, wanted.normed_x, {.dy = query_, .adds = true});
    now_.activations -= saved.normed_x;
    if (wanted.normed_x) norm_backward("input_layernorm", wanted.x, b.input_norm, saved.input_norm);
  }

  struct Gradients {
    int64_t dy;  // of the layer's output, to be freed; 0 where it is the residual stream's, which stays
    bool adds;   // dx is added to one that another layer left
  };

  /// LoRA's B, the base weight, LoRA's A: in that order. Each has its dx before the sum takes it.
  void linear_backward(const char* name, const LinearShape& l, bool input, Gradients g) {
    const std::string at = concat(name, "'s ", where_);
    const int64_t dx = input ? rows(l.in) : 0, low = rows(l.rank);
    if (l.rank > 0) {
      moment(at, low + product(n_, l.rank, l.out));
      moment(at, low + l.rank * l.out * e_ + product(l.out, l.rank, n_, true));
      gather(l.rank * l.out);
      hand_ += low;
    }
    if (input) moment(at, dx + product(n_, l.in, l.out));
    if (l.learns) {
      const int64_t weight = l.in * l.out;
      moment(at, dx + weight * e_ + product(l.out, l.in, n_, true));
      if (half_) moment(at, dx + weight * (e_ + 4) - g.dy);
      gather(weight);
    }
    hand_ -= g.dy;
    if (l.rank > 0) {
      moment(at, 2 * dx + product(n_, l.in, l.rank));
      moment(at, 2 * dx + l.rank * l.in * e_ + product(l.rank, l.in, n_, true));
      gather(l.rank * l.in);
      hand_ -= low;
    }
    hand_ += g.adds ? 0 : dx;
    now_.activations -= saved_by(l, input);
  }

  /// dx is added to the residual stream's gradient, dy is freed.
  void norm_backward(const char* name, bool input, bool learns, int64_t saved) {
    moment(concat(name, "'s ", where_), input ? residual_ : 0);
    if (learns) gather(config_.hidden_size);
    hand_ -= residual_;
    now_.activations -= saved;
  }

  const LlamaConfig& config_;
  const std::vector<BlockShape> blocks_;
  const bool on_cpu_, half_, checkpointing_, accumulates_, dropout_;
  const int64_t n_, e_;
  const int64_t residual_, inner_, query_, key_;  // the activations of these widths
  bool embed_learns_ = false, norm_learns_ = false, head_learns_ = false;
  std::vector<bool> inputs_wanted_;  // by block
  bool output_wanted_ = false;       // of the last one
  int64_t all_gradients_ = 0, hand_ = 0;
  std::string where_;
  MemoryEstimate now_, peak_;
};

}  // namespace

MemoryEstimate estimate_memory(const ModelShape& shape, const TrainSettings& settings) {
  if (!countable(shape, settings))
    fail<UsageError>(
        "--batch ", settings.batch, " x --context ", settings.context,
        ": a step of this model would take more than 10^18 bytes; use smaller ones, or check the sizes "
        "in config.json and --lora-rank");
  return Step(shape, settings).run();
}

}  // namespace scca

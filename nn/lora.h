#pragma once
// LoRA (Hu et al., arXiv 2106.09685, section 4.1): a frozen W learns a low-rank update, W x + s B A x.
#include <cstdint>
#include <set>
#include <string>

#include "core/tensor.h"

namespace scca {

struct LoraOptions {
  int64_t rank = 8;
  double alpha = 16;
  double dropout = 0;            // of the input of A, while training
  bool rank_stabilised = false;  // scale alpha / sqrt(rank) (arXiv 2312.03732) in place of alpha / rank
  std::set<std::string> targets{"q_proj", "k_proj", "v_proj", "o_proj"};

  double scale() const;
  /// Throws UsageError for a rank < 1, a dropout outside [0, 1) or an alpha that is not above 0. What targets
  /// there are is the model's to say (Llama::check_lora).
  void validate() const;
};

struct Lora {
  Tensor a_RI, b_OR;
  double scale = 1, dropout = 0;

  /// A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0: the first step starts from the base model. f32, gradients wanted.
  /// The same numbers on every device.
  static Lora initialised(int64_t in, int64_t out, const LoraOptions& options, Device device = Device::cpu);

  /// base + scale * B A dropout(x); `base` is updated in place when its only handle is passed.
  Tensor operator()(Tensor base, const Tensor& x, bool training) const;

  /// weight + scale * B A, in f32, in the weight's dtype; f32 where that is of blocks.
  Tensor merged_into(const Tensor& weight_OI) const;
};

}  // namespace scca

#pragma once
// The tiny models of tests/golden, and what tests of models do with them.
#include <string>
#include <vector>

#include "core/random.h"
#include "models/llama.h"

namespace scca::test {

inline const std::vector<std::string> kGoldens{"mha_untied", "gqa_tied", "head_dim"};
inline const std::vector<std::string> kFamilies{"families/llama_bias", "families/mistral_window",
                                                "families/qwen2_tied", "families/qwen2_window",
                                                "families/qwen3_tied", "families/qwen3_bias"};

inline std::string golden_folder(const std::string& name) {
  return std::string(SCCA_SOURCE_DIR) + "/tests/golden/" + name;
}

inline Tensor random_ids(int64_t rows, int64_t tokens, int64_t vocabulary, uint64_t seed = 1) {
  Tensor ids = Tensor::empty({rows, tokens}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const uint32_t bits = philox(seed, static_cast<uint64_t>(i))[0];
    ids.data<int32_t>()[i] = static_cast<int32_t>(bits % static_cast<uint64_t>(vocabulary));
  }
  return ids;
}

/// LoRA whose B is not zero, as after some training.
inline void add_trained_lora(Llama& model, double dropout = 0) {
  model.add_lora({.rank = 3, .alpha = 6, .dropout = dropout, .targets = {"q_proj", "o_proj", "down_proj"}});
  model.for_each_linear([](const std::string&, Linear& linear) {
    if (linear.lora) fill_uniform(linear.lora->b_OR, -0.3, 0.3);
  });
}

}  // namespace scca::test

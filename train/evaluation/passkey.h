#pragma once
// Passkey retrieval (Mohtashami and Jaggi, arXiv 2305.16300): a five-digit key stands at some depth of a text
// that says nothing else, and the model is asked for it. By length and depth.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/llama.h"
#include "models/tokenizer.h"
#include "train/report/heatmap.h"

namespace scca {

struct PasskeyOptions {
  std::vector<int64_t> lengths = {};                // tokens of prompt and answer together
  std::vector<int64_t> depths{0, 25, 50, 75, 100};  // percent of the filler that stands before the key
  int64_t trials = 5;                               // keys asked for in each cell
  uint64_t seed = 0;
  AttentionSpec attention = parse_attention_spec("full");
  bool bos = false;  // before every prompt

  /// Throws UsageError.
  void validate() const;
};

struct PasskeyCell {
  int64_t length = 0, depth = 0, correct = 0, trials = 0;
};

/// Throws UsageError as check_lengths of train/evaluation/retrieval.h, before anything is evaluated.
void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const PasskeyOptions& options);

/// One cell for each length and, within it, each depth, in the order given. An answer, generated greedily, is
/// correct when its first run of digits is the key. The same seed asks every model for the same keys,
/// and a cell's keys do not depend on the other cells.
/// `progress` hears of prompts done and to do. Throws UsageError when a length is too short for the prompt.
std::vector<PasskeyCell> evaluate_passkey(
    const Llama& model, const Tokenizer& tokenizer, const PasskeyOptions& options,
    const std::function<void(int64_t done, int64_t total)>& progress = {});

/// {"task": "passkey", "trials", "seed", "attention", "grid": [{"length", "depth", "correct", "trials",
/// "accuracy"}], "by_length": [{"length", "correct", "trials", "accuracy"}], "accuracy"}
nlohmann::json passkey_json(const std::vector<PasskeyCell>& cells, const PasskeyOptions& options);

/// Depths downwards, lengths to the right, the share of correct answers on a scale from 0 to 1.
Heatmap passkey_heatmap(const std::vector<PasskeyCell>& cells, const std::string& title);

}  // namespace scca

#pragma once
// Does far context help? A passage of a book stands twice in a window; a model that can look back that far
// finds the second one easy.
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "models/llama.h"

namespace scca {

inline constexpr int64_t kPassageTokens = 64;

/// A mean over passages and how uncertain it is.
struct Estimate {
  double mean = 0;
  std::optional<double> standard_error;  // unknown from a single one
};
/// Throws Error when there are no values.
Estimate estimate(const std::vector<double>& values);

struct RecallOptions {
  int64_t context = 0;  // tokens of a window, at least 2 passages
  int64_t passages = 8;
  uint64_t seed = 0;
  std::optional<AttentionSpec> attention = {};  // empty: the model's own

  /// Throws UsageError.
  void validate() const;
};

/// Losses in nats per token, over the passage without its first token, which nothing announces.
struct RecallAtDistance {
  int64_t distance = 0;  // tokens from the beginning of the first occurrence to that of the second
  Estimate second;       // the loss on the second occurrence
  Estimate first;        // on the first, in the same window
  Estimate gain;         // of `unrepeated` over `second`, paired by passage
};

struct Recall {
  Estimate unrepeated;  // the loss on the passage in the same place, with book text for the first occurrence
  std::vector<RecallAtDistance> by_distance;
};

/// 64, doubling, and context - 64: the first occurrence then begins the window.
std::vector<int64_t> recall_distances(int64_t context);

/// Throws Error when the data is shorter than two windows and a passage, or an id is beyond the vocabulary.
void check_recall(const std::vector<int32_t>& tokens, const RecallOptions& options, int64_t vocabulary);

/// A window is `context` tokens of the data, in a row, whose last 64 are the passage: a piece of the data
/// from outside the window. The first occurrence replaces what stood there. The same seed takes the same
/// passages and windows for every model. `progress` hears of windows done and to do. Throws Error as
/// check_recall, and when a loss is not finite.
Recall evaluate_recall(const Llama& model, const std::vector<int32_t>& tokens, const RecallOptions& options,
                       const std::function<void(int64_t done, int64_t total)>& progress = {});

/// What `scca eval recall --json` prints; errors of single passages are null.
nlohmann::json to_json(const Recall& recall, const RecallOptions& options);
/// The same figures back. Throws nlohmann's exceptions for what to_json did not write.
void from_json(const nlohmann::json& json, Recall& recall);

}  // namespace scca

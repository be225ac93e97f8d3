#include "train/evaluation/recall.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "train/evaluation/evaluate.h"

namespace scca {
namespace {

/// Where a passage is taken from, and the window it is put into.
struct Place {
  int64_t passage = 0, window = 0;
};

int64_t below(int64_t count, uint32_t bits) {
  return static_cast<int64_t>(static_cast<uint64_t>(bits) * static_cast<uint64_t>(count) >> 32);
}

/// The passage anywhere, the window anywhere beside it.
Place draw_place(int64_t tokens, int64_t context, uint64_t seed, int64_t index) {
  const Philox bits = philox(seed, static_cast<uint64_t>(index), 0x7265636c);
  const int64_t passage = below(tokens - kPassageTokens + 1, bits[0]);
  const int64_t before = std::max<int64_t>(0, passage - context + 1);  // windows that end before it begins
  const int64_t after = std::max<int64_t>(0, tokens - context - (passage + kPassageTokens) + 1);
  const int64_t choice = below(before + after, bits[1]);
  return {passage, choice < before ? choice : passage + kPassageTokens + choice - before};
}

/// The window with the passage at its end, and `distance` tokens before that too (0: only at its end).
std::vector<int32_t> window_with(const std::vector<int32_t>& tokens, const Place& place, int64_t context,
                                 int64_t distance) {
  const auto begin = tokens.begin() + place.window, passage = tokens.begin() + place.passage;
  std::vector<int32_t> ids(begin, begin + context);
  std::copy_n(passage, kPassageTokens, ids.end() - kPassageTokens);
  std::copy_n(passage, kPassageTokens, ids.end() - kPassageTokens - distance);
  return ids;
}

/// Mean over the passage that begins at `begin`, but for its first token. losses[i] is of token i + 1.
double passage_loss(const std::vector<float>& losses, int64_t begin) {
  double sum = 0;
  for (int64_t i = begin + 1; i < begin + kPassageTokens; ++i) sum += losses[static_cast<size_t>(i - 1)];
  const double mean = sum / static_cast<double>(kPassageTokens - 1);
  SCCA_CHECK(std::isfinite(mean), "eval recall: a loss is ", mean, "; the model overflows");
  return mean;
}

/// Of windows of one length, as many at a time as fill a forward pass.
std::vector<std::vector<float>> losses_of(const Llama& model,
                                          const std::vector<std::vector<int32_t>>& windows,
                                          const std::optional<AttentionSpec>& attention) {
  const size_t context = windows[0].size(), most = std::max<size_t>(1, kTokensPerPass / context);
  std::vector<std::vector<float>> all;
  for (size_t first = 0; first < windows.size(); first += most) {
    const size_t rows = std::min(most, windows.size() - first);
    std::vector<int32_t> ids;
    for (size_t row = 0; row < rows; ++row)
      ids.insert(ids.end(), windows[first + row].begin(), windows[first + row].end());
    const Shape shape{static_cast<int64_t>(rows), static_cast<int64_t>(context)};
    const Tensor losses = model.token_losses(Tensor::of(ids, shape), {.attention = attention});
    for (size_t row = 0; row < rows; ++row) {
      const float* of_row = losses.data<float>() + row * (context - 1);
      all.emplace_back(of_row, of_row + context - 1);
    }
  }
  return all;
}

nlohmann::json error_json(const Estimate& estimate) {
  return estimate.standard_error ? nlohmann::json(*estimate.standard_error) : nlohmann::json(nullptr);
}

void add_estimate(nlohmann::json& object, const std::string& name, const Estimate& estimate) {
  object[name] = estimate.mean;
  object[name + "_error"] = error_json(estimate);
}

Estimate read_estimate(const nlohmann::json& object, const std::string& name) {
  const nlohmann::json& error = object.at(name + "_error");
  return {object.at(name), error.is_null() ? std::nullopt : std::optional(error.get<double>())};
}

}  // namespace

void check_recall(const std::vector<int32_t>& tokens, const RecallOptions& options, int64_t vocabulary) {
  const auto count = static_cast<int64_t>(tokens.size());
  const int64_t needed = 2 * options.context + kPassageTokens;
  SCCA_CHECK(count >= needed, "the data has ", count, " tokens; recall at ", Setting("context"), " ",
             options.context, " needs ", needed, " (two windows and a passage)");
  for (const int32_t id : tokens) {
    SCCA_CHECK(id >= 0 && id < vocabulary, "eval recall: the data has id ", id,
               ", beyond the model's vocabulary of ", vocabulary);
  }
}

Estimate estimate(const std::vector<double>& values) {
  SCCA_CHECK(!values.empty(), "estimate: no values");
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  if (values.size() < 2) return {mean, std::nullopt};
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

void RecallOptions::validate() const {
  if (context < 2 * kPassageTokens) {
    fail<UsageError>(Setting("context"), " ", context, ": expected at least ", 2 * kPassageTokens,
                     " tokens, room for the passage twice");
  }
  if (passages < 1) fail<UsageError>(Setting("passages"), " ", passages, ": expected 1 or more");
}

std::vector<int64_t> recall_distances(int64_t context) {
  const int64_t longest = context - kPassageTokens;
  std::vector<int64_t> distances;
  for (int64_t distance = kPassageTokens; distance < longest; distance *= 2) distances.push_back(distance);
  distances.push_back(longest);
  return distances;
}

Recall evaluate_recall(const Llama& model, const std::vector<int32_t>& tokens, const RecallOptions& options,
                       const std::function<void(int64_t done, int64_t total)>& progress) {
  options.validate();
  check_recall(tokens, options, model.config.vocab_size);
  const int64_t context = options.context, last = context - kPassageTokens;
  const std::vector<int64_t> distances = recall_distances(context);
  const auto total = options.passages * static_cast<int64_t>(distances.size() + 1);
  int64_t done = 0;
  std::vector<double> unrepeated;
  std::vector<std::vector<double>> first(distances.size()), second(distances.size()), gain(distances.size());
  for (int64_t i = 0; i < options.passages; ++i) {
    const Place place = draw_place(static_cast<int64_t>(tokens.size()), context, options.seed, i);
    std::vector<std::vector<int32_t>> windows{window_with(tokens, place, context, 0)};
    for (const int64_t distance : distances) windows.push_back(window_with(tokens, place, context, distance));
    const std::vector<std::vector<float>> losses = losses_of(model, windows, options.attention);
    unrepeated.push_back(passage_loss(losses[0], last));
    for (size_t d = 0; d < distances.size(); ++d) {
      second[d].push_back(passage_loss(losses[d + 1], last));
      first[d].push_back(passage_loss(losses[d + 1], last - distances[d]));
      gain[d].push_back(unrepeated.back() - second[d].back());
    }
    done += static_cast<int64_t>(windows.size());
    if (progress) progress(done, total);
  }
  Recall result{estimate(unrepeated), {}};
  for (size_t d = 0; d < distances.size(); ++d)
    result.by_distance.push_back({distances[d], estimate(second[d]), estimate(first[d]), estimate(gain[d])});
  return result;
}

nlohmann::json to_json(const Recall& recall, const RecallOptions& options) {
  nlohmann::json result{{"context", options.context},
                        {"passage_tokens", kPassageTokens},
                        {"passages", options.passages},
                        {"distances", nlohmann::json::array()}};
  add_estimate(result, "unrepeated", recall.unrepeated);
  for (const RecallAtDistance& at : recall.by_distance) {
    nlohmann::json entry{{"distance", at.distance}};
    add_estimate(entry, "second", at.second);
    add_estimate(entry, "first", at.first);
    add_estimate(entry, "gain", at.gain);
    result["distances"].push_back(entry);
  }
  return result;
}

void from_json(const nlohmann::json& json, Recall& recall) {
  recall = {read_estimate(json, "unrepeated"), {}};
  for (const nlohmann::json& entry : json.at("distances"))
    recall.by_distance.push_back({entry.at("distance"), read_estimate(entry, "second"),
                                  read_estimate(entry, "first"), read_estimate(entry, "gain")});
}

}  // namespace scca

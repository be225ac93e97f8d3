#include "train/evaluation/passkey.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "train/evaluation/retrieval.h"

namespace scca {
namespace {

RetrievalOptions retrieval_options(const PasskeyOptions& options) {
  return {"passkey",    options.lengths,   options.depths, options.trials,
          options.seed, options.attention, options.bos};
}

/// Each once, in order of appearance.
std::vector<int64_t> different(const std::vector<PasskeyCell>& cells, int64_t PasskeyCell::*what) {
  std::vector<int64_t> found;
  for (const PasskeyCell& cell : cells)
    if (std::ranges::find(found, cell.*what) == found.end()) found.push_back(cell.*what);
  return found;
}

/// {"correct", "trials", "accuracy"} of these cells together.
nlohmann::json counts_json(const std::vector<PasskeyCell>& cells) {
  int64_t correct = 0, trials = 0;
  for (const PasskeyCell& cell : cells) correct += cell.correct, trials += cell.trials;
  const double accuracy = static_cast<double>(correct) / static_cast<double>(trials);
  return {{"correct", correct}, {"trials", trials}, {"accuracy", accuracy}};
}

}  // namespace

void PasskeyOptions::validate() const {
  retrieval_options(*this).validate();
  if (depths.empty()) fail<UsageError>(Setting("depths"), ": is empty; give percentages, as in 0,50,100");
}

void check_lengths(const LlamaConfig& config, const Tokenizer& tokenizer, const PasskeyOptions& options) {
  check_lengths(config, tokenizer, retrieval_options(options));
}

std::vector<PasskeyCell> evaluate_passkey(const Llama& model, const Tokenizer& tokenizer,
                                          const PasskeyOptions& options,
                                          const std::function<void(int64_t done, int64_t total)>& progress) {
  options.validate();
  std::vector<PasskeyCell> cells;
  for (const RetrievalCell& cell : evaluate_retrieval(model, tokenizer, retrieval_options(options), progress))
    cells.push_back({cell.length, *cell.depth, cell.perfect, cell.trials});
  return cells;
}

nlohmann::json passkey_json(const std::vector<PasskeyCell>& cells, const PasskeyOptions& options) {
  nlohmann::json grid = nlohmann::json::array(), by_length = nlohmann::json::array();
  for (const PasskeyCell& cell : cells) {
    nlohmann::json entry = counts_json({cell});
    entry.update({{"length", cell.length}, {"depth", cell.depth}});
    grid.push_back(entry);
  }
  for (const int64_t length : different(cells, &PasskeyCell::length)) {
    std::vector<PasskeyCell> row;
    std::ranges::copy_if(cells, std::back_inserter(row),
                         [&](const PasskeyCell& cell) { return cell.length == length; });
    nlohmann::json entry = counts_json(row);
    entry["length"] = length;
    by_length.push_back(entry);
  }
  return {{"task", "passkey"},
          {"trials", options.trials},
          {"seed", options.seed},
          {"attention", options.attention.to_string()},
          {"grid", grid},
          {"by_length", by_length},
          {"accuracy", counts_json(cells)["accuracy"]}};
}

Heatmap passkey_heatmap(const std::vector<PasskeyCell>& cells, const std::string& title) {
  const std::vector<int64_t> lengths = different(cells, &PasskeyCell::length),
                             depths = different(cells, &PasskeyCell::depth);
  Heatmap map{.title = title, .row_label = "depth", .column_label = "tokens", .value_label = "keys found"};
  for (const int64_t depth : depths) map.row_names.push_back(std::to_string(depth) + " %");
  for (const int64_t length : lengths) map.column_names.push_back(std::to_string(length));
  map.values.assign(lengths.size() * depths.size(), std::nan(""));
  for (const PasskeyCell& cell : cells) {
    const auto row = static_cast<size_t>(std::ranges::find(depths, cell.depth) - depths.begin());
    const auto column = static_cast<size_t>(std::ranges::find(lengths, cell.length) - lengths.begin());
    map.values[row * lengths.size() + column] =
        static_cast<double>(cell.correct) / static_cast<double>(cell.trials);
  }
  map.low = 0, map.high = 1;
  return map;
}

}  // namespace scca

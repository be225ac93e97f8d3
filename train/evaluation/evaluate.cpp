#include "train/evaluation/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/autograd.h"
#include "core/check.h"
#include "core/hash.h"
#include "train/data/data.h"

namespace scca {
namespace {

void check_vocabulary(const std::vector<int32_t>& tokens, int64_t vocabulary) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    SCCA_CHECK(tokens[i] >= 0 && tokens[i] < vocabulary, "evaluate: token ", i, " of the data has id ",
               tokens[i], ", beyond the model's vocabulary of ", vocabulary,
               "; is the tokenizer this model's?");
  }
}

/// How many windows from `first` on run together: windows of one length only.
size_t windows_together(const std::vector<Window>& windows, size_t first) {
  const auto most = static_cast<size_t>(std::max<int64_t>(1, kTokensPerPass / windows[first].count));
  size_t end = first;
  while (end < windows.size() && end - first < most && windows[end].count == windows[first].count) ++end;
  return end - first;
}

Tensor rows_of(const std::vector<int32_t>& tokens, const Window* windows, size_t count) {
  Tensor ids = Tensor::empty({static_cast<int64_t>(count), windows[0].count}, DType::i32);
  for (size_t row = 0; row < count; ++row) {
    std::copy_n(tokens.data() + windows[row].begin, windows[row].count,
                ids.data<int32_t>() + static_cast<int64_t>(row) * windows[0].count);
  }
  return ids;
}

/// Where documents begin in the rows of a batch of windows.
std::optional<DocumentStarts> starts_in(const std::optional<DocumentStarts>& documents, const Window* windows,
                                        size_t count) {
  if (!documents) return std::nullopt;
  DocumentStarts starts;
  for (size_t row = 0; row < count; ++row) {
    const auto& [begin, tokens, first_scored] = windows[row];
    auto start = std::ranges::lower_bound(*documents, begin);
    for (; start != documents->end() && *start < begin + tokens; ++start)
      starts.push_back(static_cast<int64_t>(row) * tokens + *start - begin);
  }
  return starts;
}

/// Of each of a window's positions, how many tokens before it it sees: all of the window, or of its document.
std::vector<int64_t> tokens_before(const std::optional<DocumentStarts>& documents, const Window& window) {
  std::vector<int64_t> before(static_cast<size_t>(window.count));
  std::iota(before.begin(), before.end(), 0);
  if (!documents) return before;
  const auto first = std::ranges::lower_bound(*documents, window.begin);
  for (auto start = first; start != documents->end() && *start < window.begin + window.count; ++start)
    std::iota(before.begin() + (*start - window.begin), before.end(), 0);
  return before;
}

}  // namespace

int64_t EvaluationOptions::actual_stride() const {
  if (stride != 0) return stride;
  return mode == EvaluationMode::windows ? context : std::max<int64_t>(1, context / 2);
}

void EvaluationOptions::validate() const {
  if (context < 2)
    fail<UsageError>(Setting("context"), " ", context,
                     ": expected at least 2 tokens, one to predict from the other");
  if (documents && (mode == EvaluationMode::sliding || stride != 0))
    fail<UsageError>(Setting("pack"), " documents goes with ", Setting("mode"), " windows and no ",
                     Setting("stride"), ": every token stands in one window");
  if (stride < 0) fail<UsageError>(Setting("stride"), " ", stride, ": expected 1 or more tokens");
  if (mode == EvaluationMode::sliding && actual_stride() >= context) {
    fail<UsageError>(Setting("stride"), " ", stride, ": expected less than ", Setting("context"), " ",
                     context, " when sliding, since the first token of a window cannot be scored in it");
  }
}

std::vector<Window> evaluation_windows(int64_t tokens, const EvaluationOptions& options) {
  options.validate();
  const int64_t context = options.context, stride = options.actual_stride();
  SCCA_CHECK(tokens >= context, "the data has ", tokens, " tokens, fewer than the context of ", context,
             "; give more data or a smaller ", Setting("context"));
  std::vector<Window> windows;
  if (options.mode == EvaluationMode::windows) {
    for (int64_t begin = 0; begin + context <= tokens; begin += stride)
      windows.push_back({begin, context, 1});
    return windows;
  }
  for (int64_t begin = 0, scored = 1; scored < tokens; begin += stride) {
    const int64_t end = std::min(begin + context, tokens);
    windows.push_back({begin, end - begin, scored - begin});
    scored = end;
  }
  return windows;
}

PositionBucket bucket_of(int64_t position) {
  if (position < 256) return {0, 256, 0, 0};
  int64_t from = 256;
  while (position >= 2 * from) from *= 2;
  return {from, 2 * from, 0, 0};
}

Evaluation summarise(TokenLosses losses) {
  Evaluation result;
  double total = 0;
  for (size_t i = 0; i < losses.loss.size(); ++i) {
    total += losses.loss[i];
    const PositionBucket bucket = bucket_of(losses.position[i]);
    auto found = std::find_if(result.by_position.begin(), result.by_position.end(),
                              [&](const PositionBucket& other) { return other.from >= bucket.from; });
    if (found == result.by_position.end() || found->from != bucket.from)
      found = result.by_position.insert(found, bucket);
    ++found->tokens;
    found->nll += losses.loss[i];  // the sum, until all are in
  }
  for (PositionBucket& bucket : result.by_position) bucket.nll /= static_cast<double>(bucket.tokens);
  result.tokens = static_cast<int64_t>(losses.loss.size());
  SCCA_CHECK(result.tokens > 0, "no token was scored");
  result.nll = total / static_cast<double>(result.tokens);
  result.perplexity = std::exp(result.nll);
  result.losses = std::move(losses);
  return result;
}

Evaluation evaluate(const Llama& model, const std::vector<int32_t>& tokens, const EvaluationOptions& options,
                    const EvaluationProgress& progress) {
  const std::vector<Window> windows = evaluation_windows(static_cast<int64_t>(tokens.size()), options);
  check_vocabulary(tokens, model.config.vocab_size);
  NoGrad no_grad;
  int64_t total = 0;
  for (const Window& window : windows) {
    const auto before = tokens_before(options.documents, window);
    total +=
        std::count_if(before.begin() + window.first_scored, before.end(), [](int64_t n) { return n > 0; });
  }
  TokenLosses losses;
  double sum = 0;
  for (size_t first = 0; first < windows.size();) {
    const size_t together = windows_together(windows, first);
    const Tensor batch =
        model.token_losses(rows_of(tokens, &windows[first], together),
                           {.attention = options.attention,
                            .documents = starts_in(options.documents, &windows[first], together)});
    for (size_t row = 0; row < together; ++row) {
      const Window& window = windows[first + row];
      const std::vector<int64_t> before = tokens_before(options.documents, window);
      const float* row_losses = batch.data<float>() + static_cast<int64_t>(row) * (window.count - 1);
      for (int64_t position = window.first_scored; position < window.count; ++position) {
        const int64_t seen = before[static_cast<size_t>(position)];
        if (seen == 0) continue;  // a document's first token
        const float loss = row_losses[position - 1];
        SCCA_CHECK(std::isfinite(loss), "evaluate: the loss of token ", window.begin + position,
                   " of the data is ", loss, "; the model's weights or activations overflow");
        losses.loss.push_back(loss);
        losses.window.push_back(static_cast<int32_t>(first + row));
        losses.position.push_back(static_cast<int32_t>(seen));
        sum += loss;
      }
    }
    first += together;
    const auto done = static_cast<int64_t>(losses.loss.size());
    if (progress && done > 0) progress(done, total, sum / static_cast<double>(done));
  }
  return summarise(std::move(losses));
}

Losses losses_of(const Evaluation& evaluation, const std::vector<int32_t>& tokens,
                 const EvaluationOptions& options, const DocumentStarts& starts) {
  const uint64_t digest = hash_bytes(tokens.data(), tokens.size() * sizeof(int32_t));
  const int64_t predictions = options.context - 1, windows = evaluation.tokens / predictions;
  Losses losses{options.context, Tensor::of(evaluation.losses.loss, {windows, predictions}),
                concat("mode=windows context=", options.context, " stride=", options.actual_stride(),
                       " tokens=", tokens.size(), " data=", std::hex, digest)};
  for (int64_t w = 0; w < windows && !starts.empty(); ++w) {
    for (int64_t p = 1; p < options.context; ++p) {
      const auto after = std::ranges::upper_bound(starts, w * options.actual_stride() + p);
      losses.document.push_back(static_cast<int32_t>(after - starts.begin()) - (starts[0] == 0 ? 1 : 0));
    }
  }
  return losses;
}

nlohmann::json to_json(const Evaluation& evaluation) {
  nlohmann::json buckets = nlohmann::json::array();
  for (const PositionBucket& bucket : evaluation.by_position)
    buckets.push_back({{"from", bucket.from}, {"to", bucket.to}, {"nll", bucket.nll}});
  return {{"perplexity", evaluation.perplexity},
          {"nll", evaluation.nll},
          {"tokens", evaluation.tokens},
          {"by_position", buckets}};
}

void from_json(const nlohmann::json& json, Evaluation& evaluation) {
  evaluation = {};
  json.at("nll").get_to(evaluation.nll);
  json.at("perplexity").get_to(evaluation.perplexity);
  json.at("tokens").get_to(evaluation.tokens);
  for (const nlohmann::json& bucket : json.at("by_position"))
    evaluation.by_position.push_back({bucket.at("from"), bucket.at("to"), 0, bucket.at("nll")});
}

}  // namespace scca

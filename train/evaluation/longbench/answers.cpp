#include "train/evaluation/longbench/answers.h"

#include "core/check.h"
#include "models/generate.h"

namespace scca::longbench {
namespace {

SamplingOptions sampling_of(const Tokenizer& tokenizer, const Task& task, const AnswerOptions& options) {
  SamplingOptions sampling{
      .max_tokens = task.max_new_tokens, .temperature = 0, .attention = options.attention};
  sampling.vocabulary = tokenizer.vocab_size();
  if (task.stop_at_newline) {
    sampling.stop_ids = {tokenizer.encode("\n").back()};
    sampling.min_tokens = 1;
  }
  return sampling;
}

}  // namespace

int64_t AnswerOptions::prompt_tokens(const Task& task) const {
  const int64_t left = context - task.max_new_tokens;
  if (left < 2)
    fail<UsageError>(Setting("context"), " ", context, ": ", task.name, " answers with up to ",
                     task.max_new_tokens, " tokens; expected ", task.max_new_tokens + 2,
                     " or more, or other ", Setting("tasks"));
  return left;
}

std::vector<int32_t> truncate_middle(const std::vector<int32_t>& ids, int64_t limit) {
  if (std::ssize(ids) <= limit) return ids;
  const int64_t half = limit / 2;
  std::vector<int32_t> kept(ids.begin(), ids.begin() + half);
  kept.insert(kept.end(), ids.end() - half, ids.end());
  return kept;
}

Answer answer(const Llama& model, const Tokenizer& tokenizer, const Task& task, const Sample& sample,
              const AnswerOptions& options) {
  const std::vector<int32_t> all = tokenizer.encode(prompt_of(task, sample), options.bos);
  const std::vector<int32_t> prompt = truncate_middle(all, options.prompt_tokens(task));
  const std::vector<int32_t> ids = generate(model, prompt, sampling_of(tokenizer, task, options));
  Answer result{tokenizer.decode(ids), 0, prompt.size() < all.size()};
  result.score = score(task, sample, result.text);
  return result;
}

TaskScore summarize(const std::vector<Sample>& samples, const std::vector<Answer>& answers) {
  constexpr const char* kGroups[] = {"all", "0-4k", "4-8k", "8k+"};
  double sum[4] = {}, count[4] = {};
  for (size_t i = 0; i < answers.size(); ++i) {
    const int64_t length = samples[i].length;
    const size_t group = length < 4000 ? 1 : length < 8000 ? 2 : 3;
    for (const size_t g : {size_t{0}, group}) {
      if (g > 0 && length < 0) continue;
      sum[g] += 100 * answers[i].score;
      ++count[g];
    }
  }
  TaskScore result{sum[0] / count[0], {}};
  for (size_t g = 1; g < 4; ++g)
    if (count[g] > 0) result.by_length.emplace_back(kGroups[g], sum[g] / count[g]);
  return result;
}

}  // namespace scca::longbench

#include "train/run/training_data.h"

#include "train/data/mixture.h"

namespace scca {
namespace {

TokenRows rows_of(const TrainSettings& train, const Tokenizer& tokenizer,
                  const std::vector<WeightedPaths>& mixture, const char* flag) {
  const DocumentEncoder encode = encoder_of(train, tokenizer);
  std::vector<std::pair<TokenText, double>> texts;
  for (const auto& [paths, weight] : mixture)
    texts.emplace_back(tokenize_data(paths, encode, reading_of(train, encode, flag)), weight);
  return TokenRows(std::move(texts), train.context,
                   {.what = flag, .pack_documents = train.pack == "documents"});
}

}  // namespace

DocumentEncoder encoder_of(const TrainSettings& train, const Tokenizer& tokenizer) {
  return DocumentEncoder(
      tokenizer,
      {.bos = train.bos, .chat_template = train.chat_template, .answers_only = train.loss == "answers"});
}

ReadingOptions reading_of(const TrainSettings& train, const DocumentEncoder& encode, const char* flag) {
  return {.what = flag,
          .keep_line_ends = train.keep_line_ends,
          .text_field = train.text_field,
          .cut = encode.cut(),
          .token_cache = train.token_cache,
          .encoding = encode.description(),
          .encoding_files = encode.files()};
}

TokenRows training_rows(const TrainSettings& train, const Tokenizer& tokenizer) {
  return rows_of(train, tokenizer, mixture_of(train.data, "--data"), "--data");
}

TokenRows evaluation_rows(const TrainSettings& train, const Tokenizer& tokenizer) {
  return rows_of(train, tokenizer, {{train.eval_data}}, "--eval-data");
}

}  // namespace scca

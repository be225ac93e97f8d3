#pragma once
// The parts of a tokenizer.json that stand around its model.
#include "models/tokenizer/bpe_vocabulary.h"
#include "nn/json.h"

namespace scca {

/// Reads normalizer, pre_tokenizer and decoder of the file into `vocabulary`. Throws Error for a kind or a
/// setting that is not built, and for parts that do not belong together.
void read_steps(const JsonFields& file, BpeVocabulary& vocabulary);

/// Reads which token post_processor puts in front of a text: special.bos and adds_bos. One that it puts
/// behind is not put by encode(): where a document ends is said by who has documents (train/data).
void read_post_processor(const JsonFields& file, BpeVocabulary& vocabulary);

}  // namespace scca

#pragma once
// Which tokens of a tokenizer.json are BOS, EOS and UNK, and whether a text begins with BOS.
#include <filesystem>
#include <string>

#include "models/tokenizer/bpe_vocabulary.h"
#include "nn/json.h"

namespace scca {

/// From a TemplateProcessing post-processor: the token in front of a text becomes BOS, which is then put
/// there; one behind it EOS. Throws Error for other templates.
void read_template(const JsonFields& fields, BpeVocabulary& vocabulary);

/// From tokenizer_config.json, else special_tokens_map.json: bos_token, eos_token and unk_token; and
/// add_bos_token, which wins over the post-processor, as in transformers. Throws Error naming the file for a
/// token that is not in the vocabulary and for a BOS that is not what the post-processor puts in front.
void read_special_tokens(const std::filesystem::path& folder, BpeVocabulary& vocabulary);

}  // namespace scca

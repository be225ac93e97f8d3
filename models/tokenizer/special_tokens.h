#pragma once
// Which tokens of a tokenizer.json are special: BOS, EOS, UNK and others that the files beside it name.
#include <filesystem>
#include <string>

#include "models/tokenizer/bpe_vocabulary.h"
#include "nn/json.h"

namespace scca {

/// From a TemplateProcessing post-processor: the token in front of a text becomes BOS, which is then put
/// there; one behind it EOS. Throws Error for other templates.
void read_template(const JsonFields& fields, BpeVocabulary& vocabulary);

/// From the files beside tokenizer.json (models/tokenizer/added_tokens.h): tokens that are listed there alone
/// and those that are named as special, as added tokens; bos_token, eos_token and unk_token; add_bos_token,
/// which wins over the post-processor, as in transformers. Throws Error naming the file for a named token
/// of texts that is in no vocabulary and for a BOS that is not what the post-processor puts in front.
void read_special_tokens(const std::filesystem::path& folder, BpeVocabulary& vocabulary);

}  // namespace scca

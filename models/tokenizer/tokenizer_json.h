#pragma once
// tokenizer.json, the file of Hugging Face's `tokenizers` library, where its model is byte-pair encoding:
// byte-level (GPT-2, LLaMA-3, SmolLM2, Qwen2) or SentencePiece's (LLaMA-2).
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "models/tokenizer/bpe_vocabulary.h"

namespace scca {

/// The file, with what those beside it add (models/tokenizer/special_tokens.h): tokens; which are BOS, EOS
/// and UNK.
/// Throws Error naming the file for what is no such file, and for everything in it that would change ids and
/// is not built, by its name.
BpeVocabulary read_tokenizer_json(const std::filesystem::path& file);

/// The same of the file's text alone; BOS is what its post-processor puts in front, and EOS is not known.
BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& where);

/// Its list of added_tokens; null is none.
std::vector<BpeAddedToken> read_added(const nlohmann::json& list, const std::string& where);

/// The file of a byte-level vocabulary. Throws Error for another, for a BOS to put in front that is none of
/// its pieces, and for a step that is not written.
nlohmann::json tokenizer_json(const BpeVocabulary& vocabulary);

}  // namespace scca

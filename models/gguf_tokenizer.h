#pragma once
// The tokenizer of a GGUF file: from its settings, and as settings of a file to be.
#include <filesystem>
#include <string>

#include "models/config.h"
#include "models/gguf.h"

namespace scca {

/// A file to be that holds the tokenizer.* settings of the model's folder or GGUF file, which it takes over,
/// for a vocabulary of config.vocab_size, and nothing else yet. Throws Error for a tokenizer that the format
/// has no words for.
GgufContent gguf_tokenizer(const std::filesystem::path& model, const LlamaConfig& config);

}  // namespace scca

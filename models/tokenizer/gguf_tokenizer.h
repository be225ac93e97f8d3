#pragma once
// The tokenizer of a GGUF file: from its settings tokenizer.*, as a Hugging Face folder's files, and as the
// settings of a file to be.
#include <filesystem>
#include <memory>

#include "models/files/gguf.h"
#include "models/tokenizer/tokenizer_model.h"

namespace scca {

/// Of the kinds that tokenizer.ggml.model calls gpt2 (byte-level byte-pair encoding) and llama
/// (SentencePiece). Throws Error naming the file for another, and for settings that contradict each other.
std::unique_ptr<TokenizerModel> read_gguf_tokenizer(const GgufFile& file);

/// The same as files of a Hugging Face folder: tokenizer.json or tokenizer.model, and tokenizer_config.json
/// with the chat template.
void write_tokenizer_files(const GgufFile& file, const std::filesystem::path& folder);

/// A file to be that has the settings tokenizer.* and nothing else yet. `model`: the folder or GGUF file
/// whose tokenizer it takes over. The tokens are filled up to `vocab_size`, as llama.cpp wants them.
/// Throws Error for a tokenizer that the format has no words for.
GgufContent gguf_tokenizer(const std::filesystem::path& model, int64_t vocab_size);

}  // namespace scca

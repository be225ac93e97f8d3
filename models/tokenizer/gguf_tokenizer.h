#pragma once
// The tokenizer of a GGUF file: from its settings tokenizer.*, as a Hugging Face folder's files, and as the
// settings of a file to be.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/files/gguf.h"
#include "models/tokenizer/tokenizer_model.h"

namespace scca {

/// The settings, behind tokenizer.ggml., that name tokens at which a text ends, the tokenizer's EOS first.
/// llama.cpp ends at any of them.
inline constexpr const char* kGgufEnds[] = {"eos_token_id", "eot_token_id", "eom_token_id"};

/// The token that tokenizer.ggml.NAME names; -1 for none, which some files spell as -1 in 32 bits. Throws
/// Error for what is no integer.
int32_t gguf_token_id(const GgufFile& file, const std::string& name);

/// Of the kinds that tokenizer.ggml.model calls gpt2 (byte-level byte-pair encoding) and llama
/// (SentencePiece). Throws Error naming the file for another, and for settings that contradict each other.
std::unique_ptr<TokenizerModel> read_gguf_tokenizer(const GgufFile& file);

/// The same as files of a Hugging Face folder: tokenizer.json or tokenizer.model, and tokenizer_config.json
/// with the chat template. Throws Error as read_gguf_tokenizer, and then has written nothing.
void write_tokenizer_files(const GgufFile& file, const std::filesystem::path& folder);

/// A file to be that has the settings tokenizer.* and nothing else yet. `model`: the folder or GGUF file
/// whose tokenizer it takes over. The tokens are filled up to `vocab_size`, as llama.cpp wants them.
/// `ends`: the tokens that end a folder's texts; those beyond what kGgufEnds has room for beside the
/// tokenizer's own EOS are left out. Throws Error for a tokenizer that the format has no words for.
GgufContent gguf_tokenizer(const std::filesystem::path& model, int64_t vocab_size,
                           const std::vector<int64_t>& ends = {});

}  // namespace scca

#pragma once
// The pre-tokenizers that byte-level vocabularies were learned with, by the names of GGUF's
// tokenizer.ggml.pre. The expressions are those of the models' own tokenizer.json files.
#include <string>
#include <vector>

#include "models/tokenizer/bpe_vocabulary.h"

namespace scca {

/// GPT-2's words (https://github.com/openai/gpt-2, encoder.py): contractions, letters, digits and signs with
/// a space in front, spaces.
TextStep gpt2_words();
/// Each digit alone, or rows of them: of any script, and fractions and Roman numerals too.
TextStep digits(bool each_alone);

/// How it splits a text; of a name that set_pre_tokenizer knows.
const std::vector<TextStep>& pre_tokenizer_steps(const std::string& name);

/// The names that set_pre_tokenizer knows.
std::vector<std::string> pre_tokenizer_names();

/// Sets normalizer, pre_tokenizer, byte_level, and ignore_merges as the name says: gpt-2, smollm, llama-bpe
/// (LLaMA-3), qwen2 or default (llama.cpp's for files without a name). Throws Error beginning with `where`
/// for another name.
void set_pre_tokenizer(BpeVocabulary& vocabulary, const std::string& name, const std::string& where);

}  // namespace scca

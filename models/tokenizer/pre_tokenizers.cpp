#include "models/tokenizer/pre_tokenizers.h"

#include <map>

#include "core/check.h"
#include "core/joined.h"
#include "nn/json.h"

namespace scca {
namespace {

TextStep words(const std::string& regex) { return {.pattern = {regex, true}}; }

/// LLaMA-3's and Qwen2's words differ in how many digits stand together.
TextStep tiktoken_words(const std::string& digits) {
  return words(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits +
               R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)");
}

const std::map<std::string, std::vector<TextStep>>& known_steps() {
  static const std::map<std::string, std::vector<TextStep>> kSteps = {
      {"gpt-2", {gpt2_words()}},
      {"smollm", {digits(true), gpt2_words()}},
      {"llama-bpe", {tiktoken_words(R"(\p{N}{1,3})")}},
      {"qwen2", {tiktoken_words(R"(\p{N})")}},
      {"default",
       {words(R"([\p{P}\$\+<=>\^~\|]+)"), gpt2_words(), words(R"(\p{N}+)"), words("[0-9][0-9][0-9]")}},
  };
  return kSteps;
}

}  // namespace

std::vector<std::string> pre_tokenizer_names() {
  std::vector<std::string> names;
  for (const auto& [name, steps] : known_steps()) names.push_back(name);
  return names;
}

const std::vector<TextStep>& pre_tokenizer_steps(const std::string& name) { return known_steps().at(name); }

TextStep gpt2_words() {
  return words(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
}

TextStep digits(bool each_alone) {
  TextStep step = words(R"(\p{N})");
  if (!each_alone) step.behavior = SplitBehavior::contiguous;
  return step;
}

void set_pre_tokenizer(BpeVocabulary& vocabulary, const std::string& name, const std::string& where) {
  const auto found = known_steps().find(name);
  SCCA_CHECK(found != known_steps().end(), where, ": the pre-tokenizer ", short_text(Json(name)),
             " is not implemented; expected one of ", joined(pre_tokenizer_names(), ", "));
  vocabulary.pre_tokenizer = found->second;
  vocabulary.normalizer.clear();
  if (name == "qwen2") vocabulary.normalizer.push_back({.kind = TextStep::Kind::nfc});
  vocabulary.byte_level = true;
  vocabulary.ignore_merges = name == "llama-bpe";
}

}  // namespace scca

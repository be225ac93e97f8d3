#include "models/gguf_tokenizer.h"

#include "core/check.h"

namespace scca {

GgufContent gguf_tokenizer(const std::filesystem::path& model, const LlamaConfig&) {
  GgufContent content;
  if (is_gguf(model)) {
    const GgufFile file(model);
    for (const auto& [key, entry] : file.metadata())
      if (key.starts_with("tokenizer.")) content.set(key, entry);
    return content;
  }
  fail(model.string(), ": TODO");
}

}  // namespace scca

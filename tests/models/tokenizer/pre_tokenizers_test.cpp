#include "models/tokenizer/pre_tokenizers.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "core/file.h"
#include "models/tokenizer/bpe_tokenizer.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_json.h"
#include "nn/json.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;

namespace {

const std::string kGolden = SCCA_SOURCE_DIR "/tests/golden/tokenizers";

/// What tokenizer.json says, but for what the name says.
Tokenizer named(const std::string& family, const std::string& name) {
  BpeVocabulary vocabulary = read_tokenizer_json(kGolden + "/" + family + "/tokenizer.json");
  vocabulary.normalizer.clear();
  vocabulary.pre_tokenizer.clear();
  vocabulary.ignore_merges = false;
  set_pre_tokenizer(vocabulary, name, "test");
  return Tokenizer(std::make_unique<BpeTokenizer>(std::move(vocabulary), "test"));
}

}  // namespace

TEST_CASE("pre-tokenizers: by its name each is that of the family's tokenizer.json") {
  const std::string file = kGolden + "/texts.json";
  const auto texts = parse_json(read_text_file(file), file).get<std::vector<std::string>>();
  for (const auto& [family, name] :
       {std::pair{"gpt2", "gpt-2"}, {"smollm2", "smollm"}, {"llama3", "llama-bpe"}, {"qwen2", "qwen2"}}) {
    const Tokenizer tokenizer = named(family, name), whole(kGolden + "/" + family);
    for (const std::string& text : texts) {
      CAPTURE(text);
      CHECK(tokenizer.encode(text) == whole.encode(text));
    }
  }
  // llama.cpp's default: signs apart from letters and spaces, digits by three.
  const Tokenizer plain = named("gpt2", "default");
  const auto joined = [&](const std::vector<std::string>& words) {
    std::vector<int32_t> ids;
    for (const std::string& word : words)
      for (const int32_t id : named("gpt2", "gpt-2").encode(word)) ids.push_back(id);
    return ids;
  };
  CHECK(plain.encode("a $12345-b") == joined({"a", " ", "$", "123", "45", "-", "b"}));
}

TEST_CASE("pre-tokenizers: another name is refused") {
  BpeVocabulary vocabulary;
  CHECK(error_of([&] { set_pre_tokenizer(vocabulary, "deepseek-llm", "file"); }) ==
        "file: the pre-tokenizer \"deepseek-llm\" is not implemented; expected one of default, gpt-2, "
        "llama-bpe, qwen2, smollm");
}

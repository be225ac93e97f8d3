#include "train/cli/ready_model.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <iostream>
#include <sstream>

#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

const std::string kStories = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

/// What `action` says on stderr.
template <class Action>
std::string said(Action&& action) {
  std::ostringstream text;
  std::streambuf* const before = std::cerr.rdbuf(text.rdbuf());
  action();
  std::cerr.rdbuf(before);
  return text.str();
}

}  // namespace

TEST_CASE(
    "ready_model: of several mistakes the model's is said first, then the attention's, the tokenizer's "
    "last") {
  const TemporaryFolder folder;
  const std::string model = (folder / "model").string();
  const auto error = [&](const char* attention) {
    return error_of([&] { ReadyModel({.model = model, .adapter = ""}, parse_attention_spec(attention), 0); });
  };
  CHECK(error("full@9;local") == model + ": no such folder; expected a model's folder");
  fs::create_directory(model);
  for (const char* file : {"config.json", "model.safetensors"})
    fs::copy_file(kStories + "/" + file, model + "/" + file);
  CHECK(error("full@9;local").ends_with("names layer 9, but the model has 5 (0 to 4)"));
  CHECK(error("full@4;local").find("tokenizer.model") != std::string::npos);
  // a tokenizer at hand is taken
  const ReadyModel ready({.model = model, .adapter = ""}, parse_attention_spec("full"), 0,
                         Tokenizer(fs::path(kStories)));
  CHECK(ready.tokenizer().pieces() == ready.config().vocab_size);
}

TEST_CASE("ready_model: the positions are those of the context, and what is said is of the tokens") {
  const ReadyModel ready({.model = kStories, .adapter = "", .rope = "linear"}, parse_attention_spec("full"),
                         1024);
  CHECK(ready.config().rope.factor == 2);
  CHECK(said([&] { ready.announce(1024); }) == said([&] { ready.announce(7); }));
  const std::string rope = said([&] { ready.announce(1024); });
  CHECK(rope.starts_with("RoPE: "));
  CHECK(rope.find("warning") == std::string::npos);
  CHECK(
      said([&] { ready.announce(1025); }).starts_with(rope + "warning: 1025 tokens are more than the 1024"));
  CHECK(said([&] { ready.announce(1024, "on", "before it all"); }) == rope + "BOS before it all: yes\n");
}

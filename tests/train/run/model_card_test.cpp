#include "train/run/model_card.h"

#include <doctest/doctest.h>

using namespace scca;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Card {
  AdapterInfo adapter{.lora = {}, .trained = {"embed", "norm"}, .base_model = "models/base"};
  LlamaConfig base, trained;
  TrainSettings train;
  RunNumbers numbers;

  Card() {
    base.max_position_embeddings = base.rope.original_length = 512;
    trained = base;
    trained.rope.type = RopeType::linear;
    trained.rope.factor = 4;
    train.context = 2048;
    train.steps = 36;
    train.batch = 2;
    train.attention = "scca-fixed";
  }
  std::string text() const { return model_card("runs/mine/adapter", adapter, base, trained, train, numbers); }
};

}  // namespace

TEST_CASE("model card: base, RoPE, training and the lines that load it") {
  Card card;
  const std::string text = card.text();
  CHECK(text.starts_with("---\nbase_model: \"models/base\"\nlibrary_name: peft\n"));
  CHECK(contains(text, "| context | 512 tokens before, 2048 now |"));
  CHECK(contains(text, "| RoPE | base length 512, type linear, factor 4, made for 2048 tokens |"));
  CHECK(contains(text, "| training | 0 of 36 steps of 2 rows, 0 tokens;"));
  CHECK(contains(text, "config=AutoConfig.from_pretrained(\"runs/mine/adapter\"))"));
  CHECK(contains(text, "PEFT does not read it"));
  CHECK(!contains(text, "last training loss"));
  CHECK(contains(text, "| base | `models/base` |"));
  card.adapter.base_dtype = "nf4";
  CHECK(contains(card.text(), "| base | `models/base`, its frozen matrices `nf4` |"));
  card.numbers = {
      .step = 36, .last_loss = 4.25, .judged_on = "4096 tokens of --eval-data", .before = 5, .after = 4};
  CHECK(contains(card.text(), "| training | 36 of 36 steps of 2 rows, 147456 tokens;"));
  CHECK(contains(card.text(), "| last training loss | 4.250 nats a token, perplexity 70.1 |"));
  CHECK(contains(
      card.text(),
      "| base, full attention, 4096 tokens of --eval-data | 5.000 nats a token, perplexity 148.4 |"));
  CHECK(contains(card.text(), "| adapter, the same | 4.000 nats a token, perplexity 54.6 |"));
  card.trained.rope = card.base.rope;
  CHECK(!contains(card.text(), "PEFT does not read it"));  // then it need not
}

TEST_CASE("model card: an adapter that PEFT would load wrongly has no lines for it") {
  Card card;
  card.adapter.trained = {"all"};
  CHECK(contains(card.text(), "PEFT cannot load this adapter"));
  CHECK(!contains(card.text(), "PeftModel"));
  CHECK(contains(card.text(), "scca merge"));
}

TEST_CASE("model card: a strange name breaks neither YAML, table nor Python") {
  Card card;
  card.adapter.base_model = "a\"b`c|d\ne\x1b[2J";
  const std::string text = card.text();
  CHECK(contains(text, R"(base_model: "a\"b`c|d\ne\u001b[2J")"));
  CHECK(contains(text, "| base | `a\"b?c?d?e?[2J` |"));
  CHECK(text.find('\x1b') == std::string::npos);
}

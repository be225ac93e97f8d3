// Generation with its cache against passes without one over all tokens.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/autograd.h"
#include "core/check.h"
#include "core/random.h"
#include "core/storage.h"
#include "models/generate.h"
#include "models/rope_lengths.h"
#include "nn/rope_types.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

constexpr int64_t kOriginal = 24;  // the small model's pretrained length

/// Random weights that are large enough for every token to matter, in f64, with positions scaled for 4 times
/// as many tokens as it was made for.
Llama small_model(RopeType type) {
  const LlamaConfig config{.vocab_size = 61,
                           .hidden_size = 32,
                           .intermediate_size = 48,
                           .num_hidden_layers = 2,
                           .num_attention_heads = 4,
                           .num_key_value_heads = 2,
                           .head_dim = 8,
                           .max_position_embeddings = kOriginal,
                           .initializer_range = 0.5,
                           .rope = {.original_length = kOriginal}};
  RopeScaling rope{.type = type, .factor = 4};
  if (type == RopeType::longrope) rope.short_factor = {1, 1, 1.5, 2}, rope.long_factor = {1, 2, 3, 4};
  return Llama::initialised(with_rope(config, rope, 4 * kOriginal), 5, DType::f64);
}

/// What generate() is to give: each token sampled from a pass without a cache over all tokens before it.
std::vector<int32_t> recomputed(const Llama& model, std::vector<int32_t> ids,
                                const SamplingOptions& options) {
  NoGrad no_grad;
  std::vector<int32_t> text;
  while (std::ssize(text) < options.max_tokens) {
    const auto count = std::ssize(ids);
    const Tensor logits = model.logits(Tensor::of(ids, {1, count}), {.attention = options.attention});
    const Tensor last = cast(logits.reshape({count, -1}).rows(count - 1, 1), DType::f32);
    const double uniform = uniform01(philox(options.seed, text.size())[0]);
    text.push_back(sample(last.to_vector<float>(), options, uniform));
    ids.push_back(text.back());
  }
  return text;
}

std::vector<int32_t> prompt_of(int64_t tokens) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < tokens; ++i) ids.push_back(static_cast<int32_t>(1 + i * 17 % 59));
  return ids;
}

/// Says at odd lengths that queries see their own chunk of 3, at even ones of 4.
class Flicker : public Pattern {
 public:
  explicit Flicker(Arguments&) {}
  bool visible(Extent extent, int64_t, int64_t query, int64_t key) const override {
    return key / width(extent) == query / width(extent);
  }
  HeadPlans plan(Extent extent) const override {
    return HeadPlans(static_cast<size_t>(extent.heads),
                     std::make_shared<const HeadPlan>(chunk_local(extent.tokens, width(extent))));
  }

 private:
  static int64_t width(Extent extent) { return extent.tokens % 2 == 1 ? 3 : 4; }
};

const Register<Flicker> flicker("flicker", "for the tests: another plan at every length", {"flicker"});

}  // namespace

TEST_CASE("generate: with its cache it says what whole passes say, for every RoPE type across its length") {
  for (const RopeRow& row : rope_rows()) {
    const RopeType type = row.type;
    CAPTURE(std::string(row.name));
    const Llama model = small_model(type);
    // far below, up to, across and far beyond the pretrained length
    for (const int64_t tokens : {1, 12, 20, 23, 24, 25, 60}) {
      CAPTURE(tokens);
      const SamplingOptions options{
          .max_tokens = 9, .temperature = 1, .top_p = 1, .seed = 3, .stop_at_eos = false};
      CHECK(generate(model, prompt_of(tokens), options) == recomputed(model, prompt_of(tokens), options));
    }
  }
}

TEST_CASE("generate: a model's angles are those of the length at hand, whatever came before") {
  for (const RopeRow& row : rope_rows()) {
    CAPTURE(std::string(row.name));
    const Llama model = small_model(row.type);
    for (const int64_t tokens : {60, 12, 25, 24, 60, 13}) {
      CAPTURE(tokens);
      const Tensor ids = Tensor::of(prompt_of(tokens), {1, tokens});
      CHECK(same_bits(model.logits(ids), small_model(row.type).logits(ids)));
    }
  }
}

TEST_CASE(
    "generate: a prompt in chunks gives what whole passes give, for every RoPE type across its length") {
  const SamplingOptions options{
      .max_tokens = 5, .temperature = 1, .top_p = 1, .seed = 3, .stop_at_eos = false};
  for (const RopeRow& row : rope_rows()) {
    CAPTURE(std::string(row.name));
    const Llama model = small_model(row.type);
    for (const int64_t tokens : {1, 12, 24, 25, 60})
      for (const int64_t chunk : {1, 7, 12, 24, 59, 60, 512}) {
        CAPTURE(tokens);
        CAPTURE(chunk);
        CHECK(Generator(model, chunk)(prompt_of(tokens), options) ==
              recomputed(model, prompt_of(tokens), options));
      }
  }
}

TEST_CASE("generate: a long prompt's memory follows its keys and values, not its activations or logits") {
  LlamaConfig config = small_model(RopeType::none).config;
  config.vocab_size = 500;
  config.intermediate_size = 400;
  const Llama model = Llama::initialised(config, 5);
  const auto peak = [&](int64_t tokens) {
    const std::vector<int32_t> prompt = prompt_of(tokens);
    reset_peak();
    const int64_t before = memory_counters().live_bytes;
    generate(model, prompt, {.max_tokens = 1, .temperature = 0});
    return memory_counters().peak_bytes - before;
  };
  const int64_t growth = peak(4 * 1024) - peak(1024);
  // a token: keys and values of 2 layers, 2 heads of 8, in f32; 4 cosines and sines, while a table grows
  // twice. An activation of 400 numbers alone, or its logits, would be 1600 bytes and more.
  const int64_t kept = 2 * 2 * 2 * 8 * 4, angles = 2 * 4 * 4;
  CHECK(growth >= 3 * 1024 * kept);
  CHECK(growth <= 3 * 1024 * (kept + 2 * angles));
}

TEST_CASE("generate: a generator goes on from what it has kept, and says what a new one says") {
  const SamplingOptions options{
      .max_tokens = 6, .temperature = 1, .top_p = 1, .seed = 3, .stop_at_eos = false};
  for (const RopeType type : {RopeType::linear, RopeType::dynamic, RopeType::longrope}) {
    CAPTURE(name_of(type));
    const Llama model = small_model(type);
    Generator generator(model, 5);
    const auto check = [&](std::vector<int32_t> prompt, int64_t computed, const SamplingOptions& with) {
      CHECK(generator(prompt, with) == recomputed(model, prompt, with));
      if (type == RopeType::linear) CHECK(generator.times().prompt_tokens == computed);
    };
    std::vector<int32_t> longer = prompt_of(9);
    check(longer, 9, options);
    check(longer, 1, options);  // the last token's logits are wanted again
    const std::vector<int32_t> answer = generate(model, longer, options);
    longer.insert(longer.end(), answer.begin(), answer.end());
    longer.insert(longer.end(), {7, 8, 9, 10, 11, 12, 13});
    check(longer, 8, options);  // what is new, and the last of the answer, which was not fed
    std::vector<int32_t> other = longer;
    other[12] = 60 - other[12];
    check(other, 22 - 12, options);
    check(prompt_of(4), 1, options);
    check(prompt_of(30), 30 - 4, options);  // across the pretrained length of 24
    SamplingOptions local = options;
    local.attention = parse_attention_spec("local(chunk=4)");
    check(prompt_of(31), 31 - 30, local);  // the cache is another pattern's: all is computed again
    local.max_tokens = 20;                 // more room
    check(prompt_of(31), 1, local);
  }
}

TEST_CASE("generate: a repetition penalty is over prompt and answer, and over each token once") {
  const Llama model = small_model(RopeType::none);
  for (const double temperature : {0.0, 1.0}) {
    const SamplingOptions options{.max_tokens = 12,
                                  .temperature = temperature,
                                  .top_p = 1,
                                  .seed = 3,
                                  .stop_at_eos = false,
                                  .repetition_penalty = 1.7};
    const std::vector<int32_t> prompt{4, 9, 4, 4, 31, 9, 4, 50, 4};
    std::vector<int32_t> ids = prompt, text;
    NoGrad no_grad;
    while (text.size() < 12) {
      const auto count = std::ssize(ids);
      std::vector<float> logits =
          cast(model.logits(Tensor::of(ids, {1, count})).reshape({count, -1}).rows(count - 1, 1), DType::f32)
              .to_vector<float>();
      for (size_t id = 0; id < logits.size(); ++id)
        if (std::ranges::count(ids, id) > 0) logits[id] *= logits[id] < 0 ? 1.7f : 1 / 1.7f;
      text.push_back(sample(logits, options, uniform01(philox(3, text.size())[0])));
      ids.push_back(text.back());
    }
    CHECK(generate(model, prompt, options) == text);
  }
}

TEST_CASE("generate: with its cache it says what whole passes say under every pattern, or refuses it") {
  int64_t refused = 0, same = 0;
  for (const RopeType type : {RopeType::linear, RopeType::dynamic, RopeType::longrope}) {
    const Llama model = small_model(type);
    for (const PatternEntry& entry : registered_patterns()) {
      for (const std::string& spec : entry.examples) {
        CAPTURE(name_of(type));
        CAPTURE(spec);
        for (const int64_t tokens : {5, 21}) {
          const SamplingOptions options{.max_tokens = 8,
                                        .temperature = 1,
                                        .top_p = 1,
                                        .seed = 3,
                                        .attention = parse_attention_spec(spec),
                                        .stop_at_eos = false};
          const bool stays =
              error_of([&] { check_growth(model.config, options.attention, tokens, 8); }) == "no error";
          CHECK((!stays || options.attention->continues(tokens, tokens + 7, 4)));
          if (!stays) {
            CHECK_THROWS_AS(generate(model, prompt_of(tokens), options), UsageError);
            ++refused;
            continue;
          }
          CHECK(generate(model, prompt_of(tokens), options) == recomputed(model, prompt_of(tokens), options));
          CHECK(Generator(model, 4)(prompt_of(tokens), options) ==
                recomputed(model, prompt_of(tokens), options));
          ++same;
        }
      }
    }
  }
  CHECK(refused > 20);
  CHECK(same > 60);
}

TEST_CASE(
    "generate: a plan that changes between the first length and the last is never taken from the cache") {
  const Llama model = small_model(RopeType::none);
  // 21 to 27 tokens: alike at both ends, another at every second length between them
  const SamplingOptions options{.max_tokens = 7,
                                .temperature = 1,
                                .top_p = 1,
                                .seed = 3,
                                .attention = parse_attention_spec("flicker"),
                                .stop_at_eos = false};
  REQUIRE(options.attention->continues(21, 27, 4));
  for (const int64_t chunk : {4, 5, 512})
    CHECK(Generator(model, chunk)(prompt_of(21), options) == recomputed(model, prompt_of(21), options));
}

TEST_CASE("llama: a cache of other angles or of another pattern is refused") {
  NoGrad no_grad;
  const Llama model = small_model(RopeType::dynamic);
  KeyValueCache cache = model.make_cache(40);
  const auto pass = [&](int64_t tokens, const char* spec) {
    model.hidden(Tensor::of(prompt_of(tokens), {1, tokens}),
                 {.attention = parse_attention_spec(spec), .cache = &cache});
  };
  pass(20, "full");
  CHECK(error_of([&] {
          pass(3, "local(chunk=5)");
        }).starts_with("llama: at 23 tokens the 20 in the cache turn by other angles or see other keys"));
  CHECK(!model.continues(cache, 23, parse_attention_spec("local(chunk=5)")));
  pass(4, "full");
  CHECK(model.continues(cache, 24, parse_attention_spec("full")));
  CHECK(!model.continues(cache, 25, parse_attention_spec("full")));
  CHECK(error_of([&] { pass(1, "full"); }).starts_with("llama: at 25 tokens the 24 in the cache"));
  cache.length = 0;
  pass(25, "local(chunk=5)");
  CHECK(cache.length == 25);
}

TEST_CASE("llama: passes of different lengths do not touch each other, for any RoPE type") {
  NoGrad no_grad;
  for (const RopeRow& row : rope_rows()) {
    const RopeType type = row.type;
    CAPTURE(std::string(row.name));
    const Llama model = small_model(type);
    // shorter and longer than the pretrained length by turns, and twice in one power of two
    for (const int64_t tokens : {60, 20, 25, 24, 31, 33, 12}) {
      const Tensor ids = Tensor::of(prompt_of(tokens), {1, tokens});
      CHECK(model.logits(ids).to_vector<double>() == small_model(type).logits(ids).to_vector<double>());
    }
  }
}

TEST_CASE("generate: every family's text is what passes without a cache give, under its own attention") {
  for (const char* name :
       {"llama_bias", "mistral_window", "qwen2_tied", "qwen2_window", "qwen3_tied", "qwen3_bias"}) {
    CAPTURE(name);
    const Llama model =
        Llama::load(std::string(SCCA_SOURCE_DIR) + "/tests/golden/families/" + name, DType::f64);
    const SamplingOptions options{.max_tokens = 25, .temperature = 1, .seed = 3, .stop_at_eos = false};
    const std::vector<int32_t> text = generate(model, prompt_of(9), options);
    CHECK(text == recomputed(model, prompt_of(9), options));
    SamplingOptions full = options;
    full.attention = parse_attention_spec("full");
    CHECK((text == generate(model, prompt_of(9), full)) == (model.config.sliding_window == 0));
  }
}

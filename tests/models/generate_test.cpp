#include "models/generate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/check.h"
#include "models/rope_lengths.h"
#include "nn/rope_types.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::vector<int32_t> kPrompt{1, 403, 407, 261, 378};  // Once upon a time

Llama stories() { return Llama::load(std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K"); }

}  // namespace

TEST_CASE("generate: greedy text is that of whole forward passes") {
  const Llama model = stories();
  const std::vector<int32_t> text = generate(model, kPrompt, {.max_tokens = 20, .temperature = 0});
  REQUIRE(text.size() == 20);
  NoGrad no_grad;
  std::vector<int32_t> ids = kPrompt;
  for (const int32_t token : text) {
    const auto count = static_cast<int64_t>(ids.size());
    const Tensor logits = model.logits(Tensor::of(ids, {1, count}));
    const float* last = logits.data<float>() + (count - 1) * logits.size(2);
    CHECK(std::max_element(last, last + logits.size(2)) - last == token);
    ids.push_back(token);
  }
}

TEST_CASE("generate: a seed decides the text; EOS and the listener end it") {
  Llama model = stories();
  const auto text = [&](const SamplingOptions& options) { return generate(model, kPrompt, options); };
  const SamplingOptions options{.max_tokens = 30, .temperature = 1, .seed = 1};
  const std::vector<int32_t> once = text(options);
  CHECK(once == text(options));
  SamplingOptions other = options;
  other.seed = 2;
  CHECK(once != text(other));

  model.config.eos_token_ids = {once[7]};
  const size_t first = static_cast<size_t>(std::find(once.begin(), once.end(), once[7]) - once.begin());
  CHECK(text(options) == std::vector<int32_t>(once.begin(), once.begin() + static_cast<long>(first)));
  SamplingOptions on = options;
  on.stop_at_eos = false;
  CHECK(text(on) == once);
  int heard = 0;
  CHECK(generate(model, kPrompt, on, [&](int32_t) { return ++heard < 4; }).size() == 4);
}

TEST_CASE("generate: settings without a meaning are refused") {
  const Llama model = stories();
  CHECK_THROWS_AS(generate(model, kPrompt, {.max_tokens = 0}), UsageError);
  CHECK(error_of([&] { Generator(model, 0); }).starts_with("generate: a chunk of 0 tokens"));
  CHECK(error_of([&] { generate(model, {}, {}); }).starts_with("generate: the prompt has no tokens"));
}

TEST_CASE("generate: stop ids end the text, but not before the least number of tokens") {
  const Llama model = stories();
  const SamplingOptions greedy{.max_tokens = 20, .temperature = 0};
  const std::vector<int32_t> whole = generate(model, kPrompt, greedy);
  SamplingOptions stopping = greedy;
  stopping.stop_ids = {whole[7]};
  const auto first = std::ranges::find(whole, whole[7]);
  CHECK(generate(model, kPrompt, stopping) == std::vector<int32_t>(whole.begin(), first));
  stopping.stop_ids = {whole[0]};
  CHECK(generate(model, kPrompt, stopping).empty());
  stopping.min_tokens = 3;
  const std::vector<int32_t> later = generate(model, kPrompt, stopping);
  REQUIRE(later.size() >= 3);
  CHECK(std::ranges::find(later, whole[0]) == later.end());
}

namespace {

/// stories260K with rows for 8 more ids than its tokenizer has, each the likeliest whatever came before: as
/// models are whose vocabulary is padded and whose padding was never trained.
Llama padded() {
  Llama model = stories();
  model.untie();
  const int64_t width = model.config.hidden_size, before = model.config.vocab_size;
  model.config.vocab_size = before + 8;
  const auto extended = [&](const Tensor& table, float value) {
    std::vector<float> rows = table.to_vector<float>();
    rows.resize(static_cast<size_t>((before + 8) * width), value);
    return Tensor::of(rows, {before + 8, width});
  };
  // The last norm's output scaled by its own weight is positive on average: a constant row of this size wins.
  model.embed_tokens_VD = extended(model.embed_tokens_VD, 0);
  model.lm_head_VD = extended(model.lm_head_VD, 0);
  for (int64_t i = before * width; i < (before + 8) * width; ++i)
    model.lm_head_VD.data<float>()[i] = (i / width) % 2 ? 10.f : -10.f;
  return model;
}

}  // namespace

TEST_CASE("generate: ids beyond the tokenizer's are never sampled") {
  const Llama model = padded();
  SamplingOptions options{.max_tokens = 20, .temperature = 0};
  const std::vector<int32_t> free = generate(model, kPrompt, options);
  CHECK(std::ranges::any_of(free, [](int32_t id) { return id >= 512; }));
  options.vocabulary = 512;
  CHECK(generate(model, kPrompt, options) ==
        generate(stories(), kPrompt, {.max_tokens = 20, .temperature = 0}));
  options.stop_ids = {515};  // one that cannot come
  options.min_tokens = 2;
  CHECK(generate(model, kPrompt, options).size() == 20);
  options.temperature = 1;
  for (const int32_t id : generate(model, kPrompt, options)) CHECK(id < 512);
}

TEST_CASE("generate: a logit that is no number is an error with its place") {
  Llama model = stories();
  model.untie();
  model.lm_head_VD.data<float>()[17 * model.config.hidden_size] = NAN;
  CHECK(error_of([&] {
          generate(model, kPrompt, {.max_tokens = 3});
        }).starts_with("the logit of id 17 after position 4 is nan"));
  model = stories();
  model.norm_D = model.norm_D.clone();
  model.norm_D.data<float>()[0] = INFINITY;
  CHECK(error_of([&] {
          generate(model, kPrompt, {.max_tokens = 3});
        }).starts_with("the logit of id 0 after position 4 is "));
  const std::vector<float> rows{0, 1, 2, 3, 4, NAN};
  CHECK(
      error_of([&] { check_logits(rows, 3, 10); }).starts_with("the logit of id 2 after position 11 is nan"));
  CHECK(error_of([&] { check_logits({rows.data(), 5}, 3, 10); }) == "no error");
}

TEST_CASE("generate: a text ends at the ids of generation_config.json") {
  Llama model = stories();
  const std::vector<int32_t> whole = generate(model, kPrompt, {.max_tokens = 20, .temperature = 0});
  model.config.generation_eos_ids = {500, whole[5]};
  const auto first = std::find(whole.begin(), whole.end(), whole[5]);
  CHECK(generate(model, kPrompt, {.max_tokens = 20, .temperature = 0}) ==
        std::vector<int32_t>(whole.begin(), first));
}

TEST_CASE("generate: times are of what was computed") {
  const Llama model = stories();
  Generator generator(model);
  const size_t made = generator(kPrompt, {.max_tokens = 20, .temperature = 0, .stop_at_eos = false}).size();
  REQUIRE(made == 20);
  const GenerationTimes times = generator.times();
  CHECK(times.prompt_tokens == 5);
  CHECK(times.answer_tokens == 19);  // the first comes with the prompt
  CHECK(times.prompt_seconds > 0);
  CHECK(times.answer_seconds > 0);
  CHECK(times.answer_rate() == doctest::Approx(19 / times.answer_seconds));
  GenerationTimes sum = times;
  sum += times;
  CHECK(sum.prompt_tokens == 10);
  CHECK(sum.answer_rate() == doctest::Approx(times.answer_rate()));
  generator(kPrompt, {.max_tokens = 1});
  CHECK(generator.times().answer_rate() == 0);
}

TEST_CASE("generate: an attention that depends on the length is refused with the spec that does not") {
  const Llama model = stories();
  const auto refusal = [&](const std::string& spec) {
    SamplingOptions options{.max_tokens = 20};
    options.attention = parse_attention_spec(spec);
    return error_of([&] { generate(model, kPrompt, options); });
  };
  for (const auto& [spec, advice] : std::vector<std::pair<std::string, std::string>>{
           {"scca-fixed", "scca-fixed(chunk=128)"},
           {"s2", "s2(chunk=128)"},
           {"window(chunk=1/8)", "window(chunk=64)"},
           {"longmixed", "longmixed(chunk=128)"},
           {"full;mix(local,s2)@1", "mix(local(chunk=128),s2(chunk=128))@1;full"}}) {
    CAPTURE(spec);
    const std::string message = refusal(spec);
    CHECK(message ==
          "attention " + parse_attention_spec(spec).to_string() +
              ": what earlier tokens see would change while the text grows from 5 to 24 tokens; give "
              "lengths in tokens, as " +
              advice);
    CHECK(refusal(advice) == "no error");
  }
  // at one token all plans are alike
  CHECK(error_of([&] { check_growth(model.config, parse_attention_spec("scca-fixed"), 1, 128); }) !=
        "no error");
  CHECK_NOTHROW(check_growth(model.config, parse_attention_spec("scca-fixed"), 1, 1));
  CHECK_NOTHROW(check_growth(model.config, parse_attention_spec("full"), 7, int64_t{1} << 62));
  // its shift follows the number of chunks, whatever their width
  CHECK(refusal("scca-flow(chunk=5)")
            .ends_with("choose a pattern that does not depend on the length, such as full"));
}

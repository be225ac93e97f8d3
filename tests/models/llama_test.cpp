// The whole model against what must hold of it whatever its weights: no future leaks, what should have no
// effect has none, gradients are those of the loss. tests/models/golden_test.cpp holds it against
// transformers.
#include "models/llama.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd.h"
#include "core/random.h"
#include "nn/patterns/pattern.h"
#include "ops/cast.h"
#include "tests/models/tiny_models.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Loss and the gradients of all that learns, from the same random state every time.
std::vector<Tensor> loss_and_gradients(Llama& model, const Tensor& ids, const ForwardOptions& options) {
  set_random_state({11, 0});
  const Tensor loss = model.loss(ids, options);
  std::vector<Tensor> all{loss.detach()};
  backward(loss);
  model.for_each_parameter([&](const std::string&, Tensor& weight) {
    if (!weight.requires_grad()) return;
    all.push_back(weight.grad());
    weight.set_grad({});
  });
  return all;
}

/// Rows [0, count) of [1, T, V].
Tensor first_rows(const Tensor& logits_1TV, int64_t count) {
  return logits_1TV.reshape({logits_1TV.size(1), -1}).rows(0, count);
}

}  // namespace

TEST_CASE("llama: decoding with the key/value cache is the full forward pass") {
  NoGrad no_grad;
  for (const std::string& name : kGoldens) {
    for (const DType dtype : {DType::f64, DType::f32}) {
      const Llama model = Llama::load(golden_folder(name), dtype);
      const int64_t tokens = 33;
      const Tensor ids = random_ids(1, tokens, model.config.vocab_size);
      for (const char* spec : {"full", "local(chunk=8)", "window(chunk=5)", "sda(dilation=2)"}) {
        CAPTURE(name);
        CAPTURE(spec);
        ForwardOptions options{.attention = parse_attention_spec(spec)};
        const Tensor whole = model.logits(ids, options);
        KeyValueCache cache = model.make_cache(tokens);
        options.cache = &cache;
        for (int64_t begin = 0; begin < tokens;) {
          const int64_t count = begin == 0 ? 7 : begin == 7 ? 3 : 1;  // a prompt, a few more, one by one
          const Tensor piece = ids.reshape({tokens}).rows(begin, count).reshape({1, count});
          const Tensor got = model.logits(piece, options);
          const Tensor expected = whole.reshape({tokens, -1}).rows(begin, count);
          CHECK(max_difference(got, expected) <= (dtype == DType::f64 ? 1e-12 : 1e-4));
          begin += count;
        }
        CHECK(cache.length == tokens);
      }
    }
  }
}

TEST_CASE("llama: every family decodes with the cache as without, under its own attention") {
  NoGrad no_grad;
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    const Llama model = Llama::load(golden_folder(name), DType::f64);
    const int64_t tokens = 33;
    const Tensor ids = random_ids(1, tokens, model.config.vocab_size);
    const Tensor whole = model.logits(ids).reshape({tokens, -1});
    KeyValueCache cache = model.make_cache(tokens);
    for (int64_t begin = 0; begin < tokens; begin = cache.length) {
      const int64_t count = begin == 0 ? 7 : 1;
      const Tensor piece = ids.reshape({tokens}).rows(begin, count).reshape({1, count});
      CHECK(max_difference(model.logits(piece, {.cache = &cache}), whole.rows(begin, count)) <= 1e-12);
    }
  }
}

TEST_CASE("llama: biases and the norms of heads have the gradients of the loss, by finite differences") {
  for (const std::string name : {"families/llama_bias", "families/qwen3_bias"}) {
    CAPTURE(name);
    Llama model = Llama::load(golden_folder(name), DType::f64);
    model.set_trainable({"all"});
    const Tensor ids = random_ids(2, 13, model.config.vocab_size);
    backward(model.loss(ids));
    int checked = 0;
    model.for_each_parameter([&](const std::string& parameter, Tensor& weight) {
      const bool head_norm =
          parameter.find("q_norm") != parameter.npos || parameter.find("k_norm") != parameter.npos;
      if (!parameter.ends_with(".bias") && !head_norm) return;
      CAPTURE(parameter);
      ++checked;
      const NoGrad no_grad;
      for (const int64_t i : {int64_t{0}, weight.numel() / 2, weight.numel() - 1}) {
        const double step = 1e-5, exact = weight.grad().data<double>()[i];
        double& value = weight.data<double>()[i];
        const double kept = value;
        value = kept + step;
        const double above = model.loss(ids).item();
        value = kept - step;
        const double below = model.loss(ids).item();
        value = kept;
        // a third derivative of order 10 times the step squared, and the loss's rounding over the step
        CHECK(std::abs((above - below) / (2 * step) - exact) <= 2e-8 * (1 + std::abs(exact)));
      }
    });
    CHECK(checked == (model.config.mlp_bias ? 14 : 12));
  }
}

TEST_CASE("llama: no output sees a later token, under any pattern") {
  NoGrad no_grad;
  const Llama model = Llama::load(golden_folder("gqa_tied"));
  const int64_t tokens = 33;
  const Tensor ids = random_ids(1, tokens, model.config.vocab_size);
  for (const PatternEntry& pattern : registered_patterns()) {
    for (const std::string& spec : pattern.examples) {
      CAPTURE(spec);
      const ForwardOptions options{.attention = parse_attention_spec(spec)};
      const Tensor before = model.logits(ids, options);
      for (const int64_t at : {1, 8, 17, 32}) {
        Tensor changed = ids.clone();
        int32_t& id = changed.data<int32_t>()[at];
        id = (id + 1) % static_cast<int32_t>(model.config.vocab_size);
        const Tensor after = model.logits(changed, options);
        CHECK(same_bits(first_rows(before, at), first_rows(after, at)));
        CHECK(!same_bits(before, after));
      }
    }
  }
}

TEST_CASE("llama: positions of one's own: a row's as they are change no bit, others are each row's alone") {
  Llama model = Llama::load(golden_folder("gqa_tied"), DType::f64);
  model.set_trainable({"all"});
  const int64_t tokens = 9;
  const Tensor ids = random_ids(2, tokens, model.config.vocab_size);
  const auto placed = [&](std::vector<int64_t> of_tokens, int64_t layers = 0) {
    return ForwardOptions{.attention = parse_attention_spec("full"),
                          .training = true,
                          .checkpointing = layers,
                          .positions = Positions{std::move(of_tokens), 40}};
  };
  std::vector<int64_t> own, gap;
  for (int64_t i = 0; i < 2 * tokens; ++i) {
    const int64_t t = i % tokens;
    own.push_back(t);
    gap.push_back(i < tokens ? t + 3 : t < 4 ? t : t + 20);  // moved as a whole; skipping 20
  }
  ForwardOptions plain = placed({});
  plain.positions.reset();
  const auto same = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    bool all = a.size() == b.size();
    for (size_t i = 0; all && i < a.size(); ++i) all = same_bits(a[i], b[i]);
    return all;
  };
  CHECK(same(loss_and_gradients(model, ids, plain), loss_and_gradients(model, ids, placed(own))));
  const std::vector<Tensor> kept = loss_and_gradients(model, ids, placed(gap));
  CHECK(!same(kept, loss_and_gradients(model, ids, plain)));
  CHECK(same(kept, loss_and_gradients(model, ids, placed(gap, kAllLayers))));
  {
    const NoGrad no_grad;
    const Tensor all = model.logits(ids, placed(gap)), unmoved = model.logits(ids, plain);
    CHECK(max_difference(all.rows(0, 1), unmoved.rows(0, 1)) < 1e-9);  // differences alone turn
    CHECK(max_difference(all.rows(1, 1), unmoved.rows(1, 1)) > 1e-4);
    const std::vector<int64_t> second(gap.begin() + tokens, gap.end());
    CHECK(max_difference(model.logits(ids.rows(1, 1), placed(second)), all.rows(1, 1)) < 1e-9);
  }
  // The gradient is the loss's: the same op turns back, by finite differences.
  for (Linear* linear : {&model.layers[0].self_attn.q_proj, &model.layers[0].self_attn.k_proj}) {
    Tensor& weight = linear->weight_OI;
    const Tensor loss = model.loss(ids, placed(gap));
    backward(loss);
    const NoGrad no_grad;
    for (const int64_t i : {int64_t{1}, weight.numel() / 2, weight.numel() - 2}) {
      const double step = 1e-5, exact = weight.grad().data<double>()[i];
      double& value = weight.data<double>()[i];
      const double before = value;
      value = before + step;
      const double above = model.loss(ids, placed(gap)).item();
      value = before - step;
      const double below = model.loss(ids, placed(gap)).item();
      value = before;
      CHECK(std::abs((above - below) / (2 * step) - exact) <= 2e-8 * (1 + std::abs(exact)));
    }
    model.for_each_parameter([](const std::string&, Tensor& w) { w.set_grad({}); });
  }
  CHECK(test::error_of([&] {
          model.logits(ids, placed({0, 1}));
        }).find("positions of 2 tokens, expected 18") != std::string::npos);
  own[3] = 40;
  CHECK(test::error_of([&] { model.logits(ids, placed(own)); }).find("position 40, expected 0 to 39") !=
        std::string::npos);
  own[3] = 3;
  ForwardOptions packed = placed(own);
  packed.documents = DocumentStarts{4};
  CHECK_THROWS_AS(model.logits(ids, packed), Error);
}

TEST_CASE("llama: positions of one's own turn by the angles of the text that they are places in") {
  const NoGrad no_grad;
  Llama model = Llama::load(golden_folder("gqa_tied"), DType::f64);
  model.set_rope({.type = RopeType::dynamic, .factor = 2, .original_length = 16}, 16);
  const Tensor ids = random_ids(1, 33, model.config.vocab_size);
  std::vector<int64_t> places(9);
  for (size_t t = 0; t < places.size(); ++t) places[t] = static_cast<int64_t>(t);
  const auto first = [&](int64_t length) {  // the first 9 tokens, in a text of this length
    return first_rows(
        model.logits(ids.reshape({33}).rows(0, 9).reshape({1, 9}),
                     {.attention = parse_attention_spec("full"), .positions = Positions{places, length}}),
        9);
  };
  const Tensor whole = first_rows(model.logits(ids, {.attention = parse_attention_spec("full")}), 9);
  CHECK(max_difference(first(33), whole) < 1e-9);
  CHECK(max_difference(first(9), whole) > 1e-4);
}

TEST_CASE("llama: rows of a batch do not touch each other") {
  NoGrad no_grad;
  const Llama model = Llama::load(golden_folder("gqa_tied"));
  const Tensor ids = random_ids(3, 31, model.config.vocab_size);
  Tensor changed = ids.clone();
  for (int64_t i = 31; i < 62; ++i)
    changed.data<int32_t>()[i] =
        (changed.data<int32_t>()[i] + 1) % static_cast<int32_t>(model.config.vocab_size);
  const ForwardOptions options{.attention = parse_attention_spec("scca-fixed(chunk=8)")};
  const Tensor a = model.logits(ids, options), b = model.logits(changed, options);
  CHECK(same_bits(a.rows(0, 1), b.rows(0, 1)));
  CHECK(same_bits(a.rows(2, 1), b.rows(2, 1)));
  const Tensor alone = model.logits(ids.rows(2, 1), options);
  CHECK(max_difference(a.rows(2, 1), alone) < 1e-4);
}

TEST_CASE("llama: checkpointing changes no bit of the loss or of any gradient") {
  for (const char* spec : {"full", "scca-fixed(chunk=8)"}) {
    Llama model = Llama::load(golden_folder("gqa_tied"));
    add_trained_lora(model, 0.2);
    model.set_trainable({"embed", "norm"});
    const Tensor ids = random_ids(2, 31, model.config.vocab_size);
    ForwardOptions options{.attention = parse_attention_spec(spec), .training = true};
    const std::vector<Tensor> kept = loss_and_gradients(model, ids, options);
    REQUIRE(kept.size() > 10);
    std::vector<Checkpointing> choices;
    for (int64_t layers = 1; layers <= std::ssize(model.layers); ++layers)
      for (const bool keeps_attention : {false, true}) choices.push_back({layers, keeps_attention});
    choices.push_back(kAllLayers);
    for (const Checkpointing& choice : choices) {
      CAPTURE(choice.layers);
      options.checkpointing = choice;
      const std::vector<Tensor> recomputed = loss_and_gradients(model, ids, options);
      REQUIRE(kept.size() == recomputed.size());
      for (size_t i = 0; i < kept.size(); ++i) CHECK(same_bits(kept[i], recomputed[i]));
    }
    options.training = false;  // dropout was on: without it the loss is another
    CHECK(!same_bits(loss_and_gradients(model, ids, options)[0], kept[0]));
  }
}

TEST_CASE("llama: gradients are the loss's differences, in f64 through the whole model") {
  for (const std::string& name : kGoldens) {
    Llama model = Llama::load(golden_folder(name), DType::f64);
    set_random_state({4, 0});
    add_trained_lora(model);
    model.for_each_linear([](const std::string&, Linear& linear) {
      if (!linear.lora) return;
      linear.lora->a_RI = cast(linear.lora->a_RI.detach(), DType::f64);
      linear.lora->b_OR = cast(linear.lora->b_OR.detach(), DType::f64);
    });
    model.set_trainable({"all"});
    const Tensor ids = random_ids(2, 13, model.config.vocab_size);
    const ForwardOptions options{.attention = parse_attention_spec("sda(dilation=2)")};
    backward(model.loss(ids, options));
    uint64_t seed = 0;
    model.for_each_parameter([&](const std::string& parameter, Tensor& weight) {
      CAPTURE(name);
      CAPTURE(parameter);
      REQUIRE(weight.grad());
      for (int sample = 0; sample < 3; ++sample) {
        const auto at = static_cast<int64_t>(philox(7, seed++)[0] % static_cast<uint64_t>(weight.numel()));
        double& element = weight.data<double>()[at];
        const double before = element, step = 1e-5;
        NoGrad no_grad;
        element = before + step;
        const double above = model.loss(ids, options).item();
        element = before - step;
        const double below = model.loss(ids, options).item();
        element = before;
        const double gradient = weight.grad().data<double>()[at];
        // third derivatives of order 10: step^2 * 10 / 6, and rounding of the loss over the step
        CHECK(std::abs((above - below) / (2 * step) - gradient) <= 1e-8 * (1 + std::abs(gradient)));
      }
    });
  }
}

TEST_CASE("llama: a tied embedding learns from both of its uses") {
  Llama tied = Llama::load(golden_folder("gqa_tied"), DType::f64);
  Llama untied = Llama::load(golden_folder("gqa_tied"), DType::f64);
  REQUIRE(tied.config.tie_word_embeddings);
  untied.config.tie_word_embeddings = false;
  untied.lm_head_VD = untied.embed_tokens_VD.clone();
  tied.set_trainable({"embed"});
  untied.set_trainable({"embed", "head"});
  const Tensor ids = random_ids(2, 17, tied.config.vocab_size);
  backward(tied.loss(ids));
  backward(untied.loss(ids));
  const std::vector<double> both = values(tied.embed_tokens_VD.grad()),
                            lookup = values(untied.embed_tokens_VD.grad()),
                            head = values(untied.lm_head_VD.grad());
  double worst = 0, least_part = INFINITY;
  for (size_t i = 0; i < both.size(); ++i) worst = std::max(worst, std::abs(both[i] - lookup[i] - head[i]));
  for (const auto* part : {&lookup, &head}) {
    double largest = 0;
    for (const double x : *part) largest = std::max(largest, std::abs(x));
    least_part = std::min(least_part, largest);
  }
  CHECK(worst < 1e-14);
  CHECK(least_part > 1e-6);
}

TEST_CASE("llama: bf16 is near f32") {
  NoGrad no_grad;
  const Llama exact = Llama::load(golden_folder("mha_untied"), DType::f64);
  const Llama half = Llama::load(golden_folder("mha_untied"), DType::bf16);
  const Tensor ids = random_ids(2, 31, exact.config.vocab_size);
  // 8 bits of mantissa, a few roundings a layer
  CHECK(half.loss(ids).item() == doctest::Approx(exact.loss(ids).item()).epsilon(0.02));
}

TEST_CASE("llama: token losses are the parts of the loss") {
  const Llama model = Llama::load(golden_folder("mha_untied"));
  const Tensor ids = random_ids(3, 17, model.config.vocab_size);
  const Tensor losses = model.token_losses(ids);
  REQUIRE(losses.shape() == Shape{3, 16});
  const std::vector<double> all = values(losses);
  CHECK(std::accumulate(all.begin(), all.end(), 0.0) / 48 ==
        doctest::Approx(model.loss(ids).item()).epsilon(1e-6));
  const Tensor logits = model.logits(ids);
  const float* row = logits.data<float>() + (17 + 4) * model.config.vocab_size;  // row 1, after token 4
  double sum = 0;
  for (int64_t v = 0; v < model.config.vocab_size; ++v) sum += std::exp(static_cast<double>(row[v]));
  const double expected = std::log(sum) - row[ids.data<int32_t>()[17 + 5]];
  CHECK(all[16 + 4] == doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("llama: what does not fit is said") {
  Llama model = Llama::load(golden_folder("gqa_tied"));
  const auto vocabulary = static_cast<int32_t>(model.config.vocab_size);
  CHECK_THROWS_AS(model.logits(Tensor::of<int32_t>({1, vocabulary}, {1, 2})), Error);
  CHECK_THROWS_AS(model.logits(Tensor::of<int32_t>({1, -1}, {1, 2})), Error);
  CHECK_THROWS_AS(model.logits(Tensor::of<int32_t>({1, 2}, {2})), Error);
  CHECK_THROWS_AS(model.set_trainable({"head"}), UsageError);
  CHECK_THROWS_AS(model.set_trainable({"everything"}), UsageError);
  const std::string some = "expected some of q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj";
  CHECK(error_of([&] {
          model.add_lora({.targets = {"q_proj", "w_proj"}});
        }) == "targets: no layer is called 'w_proj'; " + some);
  CHECK(error_of([&] { model.add_lora({.targets = {}}); }) == "targets: names no layer; " + some);
  CHECK(error_of([&] { model.add_lora({.rank = 0}); }) == "rank 0: expected 1 or more");
  CHECK(error_of([&] { model.add_lora({.dropout = 1}); }) == "dropout 1: expected a probability in [0, 1)");
  CHECK(error_of([&] { model.add_lora({.alpha = 0}); }) == "alpha 0: expected a number above 0");
  model.for_each_linear([](const std::string&, const Linear& linear) { CHECK(!linear.lora); });
  KeyValueCache cache = model.make_cache(2);
  CHECK(error_of([&] {
          model.hidden(Tensor::of<int32_t>({1, 2, 3}, {1, 3}), {.cache = &cache});
        }).find("the cache has room for 2") != std::string::npos);
}

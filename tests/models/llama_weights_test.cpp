// A model's weights as a whole: read, saved, made, which of them learn, LoRA put on and merged.
#include <doctest/doctest.h>

#include <cmath>

#include "core/autograd.h"
#include "ops/cast.h"
#include "tests/models/tiny_models.h"
#include "tests/op_check.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

namespace {

double root_mean_square_error(const Tensor& a, const Tensor& exact) {
  const std::vector<double> x = values(a), y = values(exact);
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (x[i] - y[i]) * (x[i] - y[i]);
  return std::sqrt(sum / static_cast<double>(x.size()));
}

}  // namespace

TEST_CASE("llama: every family is saved as it was read, with LoRA merged beside its biases") {
  NoGrad no_grad;
  for (const std::string& name : kFamilies) {
    CAPTURE(name);
    Llama model = Llama::load(golden_folder(name));
    const Tensor ids = random_ids(1, 21, model.config.vocab_size), before = model.logits(ids);
    const TemporaryFolder folder;
    model.save(folder.path().string(), stored_float("f32"));
    Llama again = Llama::load(folder.path().string());
    CHECK(again.config.family == model.config.family);
    CHECK(same_bits(again.logits(ids), before));
    add_trained_lora(again);
    const Tensor adapted = again.logits(ids);
    CHECK(max_difference(adapted, before) > 0.1);
    again.merge_lora();
    // two roundings of a weight and another order of the sums; a lost bias would be 0.1 and more
    CHECK(max_difference(again.logits(ids), adapted) < 1e-4);
  }
}

TEST_CASE("llama: a bias learns with all weights alone, the norms of heads with the norms") {
  Llama model = Llama::load(golden_folder("families/qwen3_bias"));
  const auto learning = [&](const std::set<std::string>& what) {
    model.set_trainable(what);
    std::set<std::string> kinds;
    model.for_each_parameter([&](const std::string& name, Tensor& weight) {
      if (weight.requires_grad() && name.ends_with(".bias")) kinds.insert("bias");
      if (weight.requires_grad() && name.ends_with("q_norm.weight")) kinds.insert("q_norm");
    });
    return kinds;
  };
  CHECK(learning({"all"}) == std::set<std::string>{"bias", "q_norm"});
  CHECK(learning({"norm"}) == std::set<std::string>{"q_norm"});
  CHECK(learning({"embed", "head"}).empty());
  // fresh: no bias, norms that keep their input
  const Llama fresh = Llama::initialised(model.config, 1);
  CHECK(values(fresh.layers[0].self_attn.q_proj.bias_O) == std::vector<double>(32, 0.0));
  CHECK(values(fresh.layers[0].self_attn.k_norm) == std::vector<double>(8, 1.0));
}

TEST_CASE("llama: LoRA before its first step is the base, bit for bit") {
  NoGrad no_grad;
  for (const std::string& name : kGoldens) {
    Llama model = Llama::load(golden_folder(name));
    const Tensor ids = random_ids(2, 31, model.config.vocab_size);
    const Tensor base = model.logits(ids);
    model.add_lora({.rank = 4});
    CHECK(same_bits(base, model.logits(ids)));
    model.merge_lora();
    CHECK(same_bits(base, model.logits(ids)));
  }
}

TEST_CASE("llama: a merged update errs at most twice as much as an unmerged one") {
  NoGrad no_grad;
  const auto trained = [](DType dtype) {
    Llama model = Llama::load(golden_folder("gqa_tied"), dtype);
    set_random_state({4, 0});
    add_trained_lora(model);
    return model;
  };
  const Llama exact_model = trained(DType::f64);
  const Tensor ids = random_ids(2, 31, exact_model.config.vocab_size);
  const Tensor exact = exact_model.logits(ids);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    CAPTURE(name_of(dtype));
    Llama model = trained(dtype);
    const double unmerged = root_mean_square_error(model.logits(ids), exact);
    model.merge_lora();
    const double merged = root_mean_square_error(model.logits(ids), exact);
    CHECK(unmerged > 0);
    CHECK(merged <= 2 * unmerged);
  }
}

TEST_CASE("llama: frozen weights get no gradient, learning ones are the model's own f32") {
  Llama model = Llama::load(golden_folder("gqa_tied"), DType::bf16);
  model.add_lora({.rank = 2});
  model.set_trainable({"norm"});
  backward(model.loss(random_ids(1, 9, model.config.vocab_size), {.training = true}));
  model.for_each_parameter([&](const std::string& name, Tensor& weight) {
    CAPTURE(name);
    const bool learns = name.find(".lora_") != std::string::npos || name.ends_with("norm.weight");
    CHECK(weight.requires_grad() == learns);
    CHECK((weight.grad() ? true : false) == learns);
    CHECK(weight.dtype() == (learns ? DType::f32 : DType::bf16));
    if (learns) CHECK(!weight.borrowed());
  });
}

TEST_CASE("llama: a saved folder is read back as the same model") {
  const TemporaryFolder folder;
  Llama model = Llama::load(golden_folder("gqa_tied"));
  add_trained_lora(model);
  CHECK(error_of([&] { model.save(folder.path().string(), stored_float("f32")); }).find("not merged") !=
        std::string::npos);
  model.merge_lora();
  model.save(folder.path().string(), stored_float("f32"));
  const Llama back = Llama::load(folder.path().string());
  const Tensor ids = random_ids(2, 17, model.config.vocab_size);
  CHECK(same_bits(model.logits(ids), back.logits(ids)));
  CHECK(back.config.tie_word_embeddings);
}

TEST_CASE("llama: fresh weights follow the seed") {
  const LlamaConfig config = read_config(golden_folder("gqa_tied"));
  const Tensor ids = random_ids(1, 9, config.vocab_size);
  const Llama a = Llama::initialised(config, 1), b = Llama::initialised(config, 1),
              c = Llama::initialised(config, 2);
  CHECK(same_bits(a.logits(ids), b.logits(ids)));
  CHECK(!same_bits(a.logits(ids), c.logits(ids)));
  CHECK(a.loss(ids).item() ==
        doctest::Approx(std::log(static_cast<double>(config.vocab_size))).epsilon(0.05));
}

TEST_CASE("llama: a block's linear layers are visited under the names that LoRA's targets have") {
  Llama model = Llama::load(golden_folder("gqa_tied"));
  std::vector<std::string> visited;
  model.layers[0].for_each_linear(
      [&](const std::string& name, Linear&) { visited.push_back(name.substr(name.rfind('.') + 1)); });
  CHECK(visited == Llama::linear_names());
  CHECK(visited == std::vector<std::string>{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                                            "down_proj"});
  for (const std::string& name : visited) {
    CAPTURE(name);
    Llama one = Llama::load(golden_folder("gqa_tied"));
    one.add_lora({.targets = {name}});
    one.for_each_linear([&](const std::string& layer, const Linear& linear) {
      CHECK(linear.lora.has_value() == layer.ends_with("." + name));
    });
  }
}

// Several documents in a row: what holds of them whatever the weights and the pattern.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "core/autograd.h"
#include "core/random.h"
#include "models/llama.h"
#include "nn/patterns/pattern.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

constexpr int64_t kRows = 2, kTokens = 31;
const DocumentStarts kStarts{0, 9, 10, 24, 31, 47};

Llama golden(DType dtype = DType::f32) {
  return Llama::load(SCCA_SOURCE_DIR "/tests/golden/gqa_tied", dtype);
}

Tensor random_ids(const Llama& model, int64_t rows, int64_t tokens) {
  Tensor ids = Tensor::empty({rows, tokens}, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i)
    ids.data<int32_t>()[i] = static_cast<int32_t>(philox(5, static_cast<uint64_t>(i))[0] %
                                                  static_cast<uint64_t>(model.config.vocab_size));
  return ids;
}

/// Begin and end of the document that holds a position.
std::pair<int64_t, int64_t> document_at(int64_t position) {
  int64_t begin = position / kTokens * kTokens, end = begin + kTokens;
  for (const int64_t start : kStarts) {
    if (start <= position) begin = std::max(begin, start);
    if (start > position) end = std::min(end, start);
  }
  return {begin, end};
}

Tensor piece(const Tensor& ids, int64_t begin, int64_t end) {
  Tensor result = Tensor::empty({1, end - begin}, DType::i32);
  std::copy(ids.data<int32_t>() + begin, ids.data<int32_t>() + end, result.data<int32_t>());
  return result;
}

}  // namespace

TEST_CASE("packed documents: no token of one changes another's logits by a bit, under any pattern") {
  NoGrad no_grad;
  const Llama model = golden();
  const Tensor ids = random_ids(model, kRows, kTokens);
  for (const PatternEntry& entry : registered_patterns()) {
    INFO(entry.name);
    const ForwardOptions options{.attention = parse_attention_spec(entry.examples[0]), .documents = kStarts};
    const Tensor before = model.logits(ids, options);
    const int64_t width = before.size(2);
    for (const int64_t changed : {0, 9, 23, 30, 31, 60}) {
      Tensor other = ids.clone();
      other.data<int32_t>()[changed] = (other.data<int32_t>()[changed] + 1) % 40;
      const Tensor after = model.logits(other, options);
      const auto [begin, end] = document_at(changed);
      for (int64_t i = 0; i < kRows * kTokens; ++i) {
        const bool same = std::memcmp(before.data<float>() + i * width, after.data<float>() + i * width,
                                      static_cast<size_t>(width) * sizeof(float)) == 0;
        const bool other_document = i < begin || i >= end;
        if (other_document) CHECK(same);
        if (i == changed) CHECK(!same);
      }
    }
  }
}

TEST_CASE("packed documents: each has the logits that it has alone, and the loss is over all their tokens") {
  Llama model = golden(DType::f64);
  const Tensor ids = random_ids(model, kRows, kTokens);
  const ForwardOptions options{.documents = kStarts};
  const std::vector<double> all = values(model.logits(ids, options));
  double sum = 0;
  int64_t count = 0;
  for (int64_t begin = 0; begin < kRows * kTokens;) {
    const int64_t end = document_at(begin).second;
    const Tensor alone = piece(ids, begin, end);
    const std::vector<double> logits = values(model.logits(alone));
    const auto at = all.begin() + begin * model.config.vocab_size;
    double error = 0;
    for (size_t i = 0; i < logits.size(); ++i)
      error = std::max(error, std::abs(logits[i] - at[static_cast<std::ptrdiff_t>(i)]));
    CHECK(error < 1e-11);  // its positions stand elsewhere: rounding of the angles alone
    if (end - begin > 1) {
      sum += model.loss(alone).item() * static_cast<double>(end - begin - 1);
      count += end - begin - 1;
    }
    begin = end;
  }
  CHECK(count == kRows * kTokens - 6);
  CHECK(model.loss(ids, options).item() == doctest::Approx(sum / static_cast<double>(count)).epsilon(1e-11));
  CHECK(std::abs(model.loss(ids).item() - sum / static_cast<double>(count)) > 1e-4);

  const Tensor losses = model.token_losses(ids, options);
  double by_token = 0;
  for (const double loss : values(losses)) by_token += loss;
  CHECK(by_token == doctest::Approx(sum).epsilon(1e-6));
}

TEST_CASE("packed documents: checkpointing changes no bit of the gradients") {
  const Tensor ids = random_ids(golden(), kRows, kTokens);
  const auto gradients = [&](int64_t checkpointed_layers) {
    Llama model = golden();
    model.set_trainable({"all"});
    backward(model.loss(ids, {.attention = parse_attention_spec("scca-fixed(chunk=8)"),
                              .training = true,
                              .checkpointing = checkpointed_layers,
                              .documents = kStarts}));
    std::vector<std::vector<double>> all;
    model.for_each_parameter(
        [&](const std::string&, Tensor& weight) { all.push_back(values(weight.grad())); });
    return all;
  };
  for (const int64_t layers : {int64_t{1}, kAllLayers}) CHECK(gradients(layers) == gradients(0));
}

TEST_CASE("llama: the loss of targets that are given") {
  const Llama model = golden(DType::f64);
  const Tensor ids = random_ids(model, 1, 9);
  const Tensor next = next_tokens(ids);
  CHECK(model.loss_of(ids, next).item() == model.loss(ids).item());
  CHECK(next.data<int32_t>()[8] == kNoTarget);
  // The last two predictions alone are the mean of their two losses.
  Tensor two = next.clone();
  std::fill_n(two.data<int32_t>(), 6, kNoTarget);
  const std::vector<double> each = values(model.token_losses(ids));
  CHECK(model.loss_of(ids, two).item() == doctest::Approx((each[6] + each[7]) / 2).epsilon(1e-6));
}

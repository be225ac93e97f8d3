#include "ops/score_change.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "ops/attention.h"
#include "ops/cast.h"
#include "tests/op_check.h"
#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::test;

namespace {

constexpr int64_t kBatch = 2, kHeads = 4, kKeyHeads = 2, kWidth = 6;
const double kInf = std::numeric_limits<double>::infinity();

/// For the kernel that applies a change: f64 on the CPU.
const OpCheck kF64Alone{.most_differences = 20, .check_f32 = false, .bf16_factor = 0, .low = -2, .high = 2};

std::vector<Shape> shapes_of(int64_t queries, int64_t tokens) {
  const Shape keys{kBatch, tokens, kKeyHeads, kWidth};
  return {{kBatch, queries, kHeads, kWidth}, keys, keys};
}

Inputs inputs_of(int64_t queries, int64_t tokens) {
  Inputs inputs;
  for (const Shape& shape : shapes_of(queries, tokens))
    inputs.push_back(random_tensor(shape, DType::f64, 20 + inputs.size(), -2, 2));
  return inputs;
}

/// softmax over the keys that sees() names of changed(s, head, query, key), with e^sink[head] more below the
/// line, times v: over all pairs, no maximum taken away.
template <class F>
std::vector<double> by_definition(const Inputs& in, const AttentionPlan& plan, const F& changed,
                                  const std::vector<double>& sink) {
  const int64_t queries = in[0].size(1), tokens = in[1].size(1);
  const auto q = values(in[0]), k = values(in[1]), v = values(in[2]);
  std::vector<double> out(q.size());
  for (int64_t b = 0; b < kBatch; ++b)
    for (int64_t head = 0; head < kHeads; ++head)
      for (int64_t i = 0; i < queries; ++i) {
        const auto row = static_cast<size_t>(((b * queries + i) * kHeads + head) * kWidth);
        const int64_t query = tokens - queries + i;
        double sum = std::exp(sink[static_cast<size_t>(head)]);
        for (int64_t j = 0; j < tokens; ++j) {
          if (!sees(plan, head, query, j)) continue;
          const auto key = static_cast<size_t>(((b * tokens + j) * kKeyHeads + head / 2) * kWidth);
          double s = 0;
          for (size_t c = 0; c < kWidth; ++c) s += q[row + c] * k[key + c];
          const double weight = std::exp(changed(s / std::sqrt(6.0), head, query, j));
          sum += weight;
          for (size_t c = 0; c < kWidth; ++c) out[row + c] += weight * v[key + c];
        }
        for (size_t c = 0; c < kWidth && sum > 0; ++c) out[row + c] /= sum;
      }
  return out;
}

/// One of every kind, and what it does, written down again.
struct Named {
  ScoreChange change;
  std::function<double(double s, int64_t head, int64_t query, int64_t key)> formula;
  std::vector<double> sink = {-kInf, -kInf, -kInf, -kInf};
};

std::vector<Named> changes() {
  const std::vector<double> logits{0.5, -1, 2, 0};
  const auto far = [](int64_t i, int64_t j) { return static_cast<double>(i > j ? i - j : j - i); };
  return {
      {alibi(alibi_slopes(4)),
       [=](double s, int64_t head, int64_t i, int64_t j) { return s - far(i, j) / std::pow(4, head + 1); }},
      {softcap(1.5), [](double s, int64_t, int64_t, int64_t) { return 1.5 * std::tanh(s / 1.5); }},
      {temperature(0.5), [](double s, int64_t, int64_t, int64_t) { return 2 * s; }},
      {sink(Tensor::of<double>(logits, {4})), [](double s, int64_t, int64_t, int64_t) { return s; }, logits},
      {then(then(softcap(2), alibi({0, 1, 0.25, 0.125})), sink(Tensor::of<double>(logits, {4}))),
       [=](double s, int64_t head, int64_t i, int64_t j) {
         return 2 * std::tanh(s / 2) -
                far(i, j) * std::vector<double>{0, 1, 0.25, 0.125}[static_cast<size_t>(head)];
       },
       logits},
      {{.name = "own",
        .apply =
            [](double s, const ScorePlace& at) {
              return ChangedScore{s * s + 0.1 * static_cast<double>(at.key - at.head), 2 * s};
            }},
       [](double s, int64_t head, int64_t, int64_t j) {
         return s * s + 0.1 * static_cast<double>(j - head);
       }}};
}

}  // namespace

TEST_CASE("score_change: each is its formula, pair by pair, for every kind of plan") {
  for (const int64_t tokens : {1, 31, 33})
    for (const int64_t queries : {tokens, (tokens + 1) / 2})
      for (const NamedPlan& plan : plans_of_every_kind(tokens, kHeads))
        for (const Named& named : changes()) {
          CAPTURE(plan.name);
          CAPTURE(named.change.name);
          CAPTURE(tokens);
          const Inputs in = inputs_of(queries, tokens);
          const Tensor out = attention(in[0], in[1], in[2], plan.plan, 0, named.change);
          const auto expected = by_definition(in, *plan.plan, named.formula, named.sink);
          CHECK(max_difference(out, Tensor::of<double>(expected, out.shape())) < 1e-13);
        }
}

TEST_CASE("score_change: gradients of q, k and v for every kind of plan") {
  for (const NamedPlan& plan : plans_of_every_kind(17, kHeads))
    for (const Named& named : changes()) {
      CAPTURE(plan.name);
      CAPTURE(named.change.name);
      check_op([&](const Inputs& in) { return attention(in[0], in[1], in[2], plan.plan, 0.3, named.change); },
               shapes_of(17, 17), kF64Alone);
    }
}

TEST_CASE("score_change: a sink learns, alone and behind another change") {
  for (const NamedPlan& plan : plans_of_every_kind(17, kHeads)) {
    CAPTURE(plan.name);
    std::vector<Shape> shapes = shapes_of(9, 17);
    shapes.push_back({kHeads});
    check_op([&](const Inputs& in) { return attention(in[0], in[1], in[2], plan.plan, 0, sink(in[3])); },
             shapes, kF64Alone);
    check_op(
        [&](const Inputs& in) {
          return attention(in[0], in[1], in[2], plan.plan, 0, then(sink(in[3]), softcap(1)));
        },
        shapes, kF64Alone);
  }
  // a parameter in f32, by way of cast: the gradient arrives in f32
  const PlanPtr plan = plans_of_every_kind(17, kHeads)[0].plan;
  const Inputs in = inputs_of(17, 17);
  Tensor logits = Tensor::zeros({kHeads}).set_requires_grad();
  const Tensor y = attention(in[0], in[1], in[2], plan, 0, sink(cast(logits, DType::f64)));
  backward(y, Tensor::full(y.shape(), 1, DType::f64));
  CHECK(logits.grad().dtype() == DType::f32);
}

TEST_CASE("score_change: what changes nothing, and what is another way to say the same") {
  const int64_t tokens = 33;
  const auto plans = plans_of_every_kind(tokens, kHeads);
  for (const NamedPlan& plan : plans) {
    CAPTURE(plan.name);
    const Inputs in = inputs_of(tokens, tokens);
    const auto with = [&](const ScoreChange& change, double scale = 0) {
      return attention(in[0], in[1], in[2], plan.plan, scale, change);
    };
    const Tensor plain = with({});
    CHECK(same_bits(with(sink(Tensor::full({kHeads}, -kInf, DType::f64))), plain));
    CHECK(same_bits(with(alibi({0, 0, 0, 0})), plain));
    CHECK(same_bits(with(temperature(1)), plain));
    CHECK(max_difference(with(softcap(1e9)), plain) < 1e-12);
    CHECK(max_difference(with(temperature(4), 2), with({}, 0.5)) < 1e-13);
    CHECK(same_bits(with(then({}, softcap(1))), with(softcap(1))));
    CHECK(same_bits(with(then(softcap(1), {})), with(softcap(1))));
  }
}

TEST_CASE("score_change: a score of -inf is a key that is not seen, and all of them a query that sees none") {
  const int64_t tokens = 33, reach = 5;
  const Shape q_shape{kBatch, tokens, kHeads, kWidth};
  HeadPlan everything{{{0, 1, tokens}, {{{0, 1, tokens}}}}};
  const PlanPtr full = make_plan(tokens, std::vector<HeadPlan>(kHeads, everything));
  const ScoreChange near{.name = "near", .apply = [](double s, const ScorePlace& at) {
                           return at.query - at.key < reach ? ChangedScore{s, 1} : ChangedScore{-kInf, 0};
                         }};
  const ScoreChange none{.name = "none", .apply = [](double, const ScorePlace&) {
                           return ChangedScore{-kInf, 0};
                         }};
  const auto run = [&](const PlanPtr& plan, const ScoreChange& change) {
    Inputs in = inputs_of(tokens, tokens);
    for (Tensor& t : in) t.set_requires_grad();
    const Tensor y = attention(in[0], in[1], in[2], plan, 0, change);
    backward(y, random_tensor(q_shape, DType::f64, 7));
    return Inputs{y.detach(), in[0].grad(), in[1].grad(), in[2].grad()};
  };
  const Inputs by_plan = run(window(tokens, kHeads, reach), {}), by_change = run(full, near),
               capped_by_plan = run(window(tokens, kHeads, reach), softcap(2)),
               capped = run(full, then(near, softcap(2))), nothing = run(full, none);
  for (size_t i = 0; i < by_plan.size(); ++i) {
    CAPTURE(i);
    CHECK(max_difference(by_plan[i], by_change[i]) < 1e-14);
    CHECK(max_difference(capped_by_plan[i], capped[i]) < 1e-14);
    for (const double x : values(nothing[i])) CHECK(x == 0);
  }
}

TEST_CASE("score_change: the same bits for any number of threads") {
  const PlanPtr plan = plans_of_every_kind(33, kHeads)[0].plan;
  const int before = omp_get_max_threads();
  std::vector<Tensor> grads;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    const Inputs in = inputs_of(33, 33);
    Tensor logits = Tensor::zeros({kHeads}, DType::f64).set_requires_grad();
    const Tensor y = attention(in[0], in[1], in[2], plan, 0, sink(logits));
    backward(y, random_tensor(y.shape(), DType::f64, 7));
    grads.push_back(logits.grad());
  }
  omp_set_num_threads(before);
  CHECK(same_bits(grads[0], grads[1]));
}

TEST_CASE("score_change: ALiBi's slopes are the paper's") {
  CHECK(alibi_slopes(8) == std::vector<double>{0.5, 0.25, 0.125, 0.0625, 0x1p-5, 0x1p-6, 0x1p-7, 0x1p-8});
  CHECK(alibi_slopes(1) == std::vector<double>{0x1p-8});
  // 12 heads: those of 8, then the 1st, 3rd, 5th and 7th of 16
  const auto twelve = alibi_slopes(12);
  REQUIRE(twelve.size() == 12);
  CHECK(twelve[7] == 0x1p-8);
  CHECK(twelve[8] == doctest::Approx(std::pow(2, -0.5)));
  CHECK(twelve[11] == doctest::Approx(std::pow(2, -3.5)));
  CHECK_THROWS_WITH_AS(alibi_slopes(0), "alibi_slopes: 0 heads, expected 1 or more", Error);
}

TEST_CASE("score_change: names say what is done") {
  const Tensor logits = Tensor::zeros({4}, DType::f64);
  CHECK(then(then(softcap(30), alibi(alibi_slopes(4))), sink(logits)).name == "softcap(30), alibi, sink");
  CHECK(temperature(0.5).name == "temperature(0.5)");
  CHECK_FALSE(ScoreChange{});
}

TEST_CASE("score_change: fast kernels and large sizes refuse it by its name") {
  const auto ask = [](DType dtype, int64_t tokens, const ScoreChange& change, Device device = Device::cpu) {
    const HeadPlan everything{{{0, 1, tokens}, {{{0, 1, tokens}}}}};
    const Tensor q = Tensor::zeros({1, 1, 2, 2}, dtype, device),
                 k = Tensor::zeros({1, tokens, 1, 2}, dtype, device);
    return attention(q, k, k, make_plan(tokens, {everything, everything}), 0, change);
  };
  CHECK_THROWS_WITH_AS(
      ask(DType::f32, 3, softcap(30)),
      "attention: only the reference kernel knows softcap(30): f64 on the CPU, up to 4096 tokens; q "
      "is f32 on cpu, k has 3 tokens",
      Error);
  CHECK_THROWS_AS(ask(DType::bf16, 3, alibi(alibi_slopes(2))), Error);
  CHECK_THROWS_AS(ask(DType::f64, 4097, temperature(2)), Error);
  CHECK_NOTHROW(ask(DType::f64, 4096, temperature(2)));
  for (const Device device : other_devices()) CHECK_THROWS_AS(ask(DType::f32, 3, softcap(1), device), Error);
  CHECK_THROWS_WITH_AS(ask(DType::f64, 3, alibi(alibi_slopes(4))), "attention: alibi is for 4 heads, q has 2",
                       Error);
  CHECK_THROWS_WITH_AS(ask(DType::f64, 3,
                           {.apply =
                                [](double s, const ScorePlace&) {
                                  return ChangedScore{s, 1};
                                }}),
                       "attention: the change of scores has no name; give it one", Error);
  CHECK_THROWS_WITH_AS(ask(DType::f64, 3, {.name = "own", .sink_H = Tensor::zeros({3}, DType::f64)}),
                       "attention: the sink of own is [3] f64, expected [2] f64", Error);
}

TEST_CASE("score_change: settings without a meaning are refused") {
  CHECK_THROWS_WITH_AS(softcap(0), "softcap: cap is 0, expected a number above 0", Error);
  CHECK_THROWS_AS(softcap(kInf), Error);
  CHECK_THROWS_AS(softcap(std::nan("")), Error);
  CHECK_THROWS_WITH_AS(temperature(-1), "temperature: t is -1, expected a number above 0", Error);
  CHECK_THROWS_WITH_AS(alibi({}), "alibi: no slopes, expected one a head", Error);
  CHECK_THROWS_WITH_AS(sink(Tensor::zeros({4})),
                       "sink: logits are [4] f32, expected [heads] f64; cast() them", Error);
  const Tensor logits = Tensor::zeros({4}, DType::f64);
  CHECK_THROWS_WITH_AS(then(sink(logits), sink(logits)), "then: both sink and sink have a sink, expected one",
                       Error);
  CHECK_THROWS_WITH_AS(then(sink(logits), alibi({1})), "then: sink is for 4 heads, alibi for 1", Error);
}

#include "ops/attention.h"

#include <doctest/doctest.h>
#include <omp.h>

#include <cmath>
#include <limits>

#include "tests/op_check.h"
#include "tests/ops/attention_plans.h"

using namespace scca;
using namespace scca::test;

namespace {

OpFunction over(const PlanPtr& plan) {
  return [plan](const Inputs& in) { return attention(in[0], in[1], in[2], plan); };
}

struct Sizes {
  int64_t batch, queries, heads, key_heads, width;
};

std::vector<Shape> shapes_of(const Sizes& s, const PlanPtr& plan) {
  const Shape keys = {s.batch, plan->tokens, s.key_heads, s.width};
  return {{s.batch, s.queries, s.heads, s.width}, keys, keys};
}

Inputs inputs_of(const Sizes& s, const PlanPtr& plan, DType dtype, double bound = 1) {
  Inputs inputs;
  for (const Shape& shape : shapes_of(s, plan))
    inputs.push_back(random_tensor(shape, dtype, 20 + inputs.size(), -bound, bound));
  return inputs;
}

double largest(const Tensor& t) {
  double most = 0;
  for (const double x : values(t)) most = std::max(most, std::abs(x));
  return most;
}

Inputs in_f64(const Inputs& inputs) {
  Inputs wide;
  for (const Tensor& t : inputs) wide.push_back(Tensor::of<double>(values(t), t.shape()));
  return wide;
}

/// Output and gradients, for a cotangent in the output's dtype that all dtypes share.
Inputs run(const PlanPtr& plan, const Inputs& from) {
  Inputs inputs;
  for (const Tensor& t : from) inputs.push_back(t.detach().set_requires_grad());
  const Tensor y = over(plan)(inputs);
  const std::vector<double> cotangent = values(random_tensor(y.shape(), DType::bf16, 7));
  Tensor dy = Tensor::empty(y.shape(), y.dtype());
  visit_float(y.dtype(), "test", [&]<class T>() {
    for (int64_t i = 0; i < y.numel(); ++i)
      dy.data<T>()[i] = static_cast<T>(cotangent[static_cast<size_t>(i)]);
  });
  backward(y, dy.to(y.device()));
  return {y.detach(), inputs[0].grad(), inputs[1].grad(), inputs[2].grad()};
}

Inputs on(Device device, const Inputs& inputs) {
  Inputs there;
  for (const Tensor& t : inputs) there.push_back(t.to(device));
  return there;
}

/// Output and gradients of f32 blocks against the f64 rows.
void check_blocks(const PlanPtr& plan, const Inputs& in, Device device) {
  CAPTURE(std::string(name_of(device)));
  const Inputs block = run(plan, on(device, in)), rows = run(plan, in_f64(in));
  for (size_t i = 0; i < block.size(); ++i) {
    CAPTURE(i);
    // f32 sums over the tokens, of terms of about the result's size, with roundings that mostly cancel
    CHECK(max_difference(block[i], rows[i]) <= 4e-6 * (1 + largest(rows[i])));
  }
}

/// The output by the question that sees() answers, over all pairs.
std::vector<double> by_definition(const Inputs& in, const AttentionPlan& plan) {
  const AttentionShape s(in[0], in[1]);
  const auto q = values(in[0]), k = values(in[1]), v = values(in[2]);
  std::vector<double> out(q.size());
  for (int64_t b = 0; b < s.batch; ++b) {
    for (int64_t head = 0; head < s.heads; ++head) {
      for (int64_t i = s.first_query(); i < s.tokens; ++i) {
        const size_t row = static_cast<size_t>(s.query_row(b, i, head));
        double sum = 0;
        for (int64_t j = 0; j < s.tokens; ++j) {
          if (!sees(plan, head, i, j)) continue;
          const size_t key = static_cast<size_t>(s.key_row(b, j, s.key_head(head)));
          double score = 0;
          for (size_t c = 0; c < static_cast<size_t>(s.width); ++c) score += q[row + c] * k[key + c];
          const double weight = std::exp(score / std::sqrt(static_cast<double>(s.width)));
          sum += weight;
          for (size_t c = 0; c < static_cast<size_t>(s.width); ++c) out[row + c] += weight * v[key + c];
        }
        for (size_t c = 0; c < static_cast<size_t>(s.width) && sum > 0; ++c) out[row + c] /= sum;
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("attention: the f64 rows are the definition, pair by pair, for every kind of plan") {
  for (const int64_t tokens : {1, 2, 31, 33, 129}) {
    for (const NamedPlan& plan : plans_of_every_kind(tokens, 4)) {
      CAPTURE(plan.name);
      CAPTURE(tokens);
      const Inputs in = inputs_of({2, tokens, 4, 2, 6}, plan.plan, DType::f64);
      const Tensor out = over(plan.plan)(in);
      CHECK(max_difference(out, Tensor::of<double>(by_definition(in, *plan.plan), out.shape())) < 1e-14);
    }
  }
}

TEST_CASE("attention: gradients, precision and memory for every kind of plan") {
  for (const int64_t tokens : {1, 33}) {
    for (const NamedPlan& plan : plans_of_every_kind(tokens, 4)) {
      CAPTURE(plan.name);
      CAPTURE(tokens);
      OpCheck options;
      options.most_differences = 12;  // of each input, for each of the plans
      // Tensor cores take the weights rounded to bf16 too, which errs as much again as rounding the results.
      options.bf16_factor = 3;
      check_op(over(plan.plan), shapes_of({tokens == 1 ? 2 : 1, tokens, 4, 2, 6}, plan.plan), options);
    }
  }
}

TEST_CASE("attention: the block kernels agree with the rows across block borders, at every width") {
  for (const int64_t tokens : {129, 500}) {
    for (const int64_t width :
         tokens > 200 ? std::vector<int64_t>{16} : std::vector<int64_t>{2, 6, 40, 64, 256}) {
      for (const NamedPlan& plan : plans_of_every_kind(tokens, 4)) {
        CAPTURE(plan.name);
        CAPTURE(tokens);
        CAPTURE(width);
        check_blocks(plan.plan, inputs_of({1, tokens, 4, 4, width}, plan.plan, DType::f32, 2), Device::cpu);
      }
    }
  }
}

/// Five heads whose tiles differ in number, size and step: one tile of several blocks, small ones, a tile for
/// each token, strided ones, and slices of keys in no order.
PlanPtr heads_tiled_differently(int64_t tokens, bool causal) {
  std::vector<HeadPlan> heads;
  for (const auto& [plan, head] : {std::pair{full_plan(tokens, 1, causal), 0},
                                   {shifted_chunks(tokens, 2, 33, causal), 1},
                                   {shifted_chunks(tokens, 1, 1, causal), 0},
                                   {residues(tokens, 2, 5, causal), 1},
                                   {patchwork(tokens, 1, causal), 0}})
    heads.push_back(*plan->heads[static_cast<size_t>(head)]);
  return make_plan(tokens, std::move(heads), causal);
}

TEST_CASE(
    "attention: the block kernels agree with the rows for tiles of every size, of heads that share them or "
    "not") {
  for (const int64_t key_heads : {1, 3}) {
    for (const int64_t chunk : {1, 31, 33, 63, 64, 65, 129}) {
      for (const bool causal : {true, false}) {
        CAPTURE(key_heads);
        CAPTURE(chunk);
        CAPTURE(causal);
        const PlanPtr plan = shifted_chunks(200, 3, chunk, causal);
        check_blocks(plan, inputs_of({2, 200, 3, key_heads, 10}, plan, DType::f32, 2), Device::cpu);
      }
    }
  }
  for (const int64_t key_heads : {1, 5}) {
    for (const bool causal : {true, false}) {
      CAPTURE(key_heads);
      CAPTURE(causal);
      const PlanPtr plan = heads_tiled_differently(900, causal);
      check_blocks(plan, inputs_of({1, 900, 5, key_heads, 10}, plan, DType::f32, 2), Device::cpu);
      // the last queries alone: what a tile has before them is left out
      check_blocks(plan, inputs_of({1, 401, 5, key_heads, 10}, plan, DType::f32, 2), Device::cpu);
    }
  }
}

TEST_CASE("attention: so do other devices'") {
  for (const Device device : other_devices()) {
    const auto check = [&](const NamedPlan& plan, const Sizes& sizes) {
      CAPTURE(plan.name);
      CAPTURE(sizes.queries);
      CAPTURE(sizes.width);
      check_blocks(plan.plan, inputs_of(sizes, plan.plan, DType::f32, 2), device);
    };
    for (const int64_t tokens : {1, 31, 129})  // 31 rows are a part of a block, 129 more than one
      for (const NamedPlan& plan : plans_of_every_kind(tokens, 4)) check(plan, {2, tokens, 4, 2, 6});
    for (const int64_t width : {32, 40, 64, 80, 96, 128}) {
      check({"full", full_plan(129, 1)}, {1, 129, 1, 1, width});
      check({"patchwork", patchwork(129, 3, false)}, {1, 129, 3, 1, width});
    }
    check({"full", full_plan(500, 1)}, {1, 500, 1, 1, 16});
  }
}

TEST_CASE("attention: query heads share their key head without copies") {
  for (const int64_t key_heads : {1, 3, 9}) {
    const PlanPtr plan = full_plan(100, 9);
    for (const Device device : all_devices())
      check_blocks(plan, inputs_of({2, 100, 9, key_heads, 16}, plan, DType::f32), device);
  }
}

TEST_CASE("attention: fewer queries than tokens are the last rows of the whole") {
  for (const NamedPlan& plan : plans_of_every_kind(133, 4)) {
    CAPTURE(plan.name);
    std::vector<std::pair<Device, DType>> places = {{Device::cpu, DType::f64}};
    for (const Device device : all_devices()) places.push_back({device, DType::f32});
    for (const auto& [device, dtype] : places) {
      CAPTURE(std::string(name_of(device)));
      const Inputs all = on(device, inputs_of({1, 133, 4, 2, 32}, plan.plan, dtype));
      const Tensor whole = over(plan.plan)(all).reshape({133, 4 * 32});
      for (const int64_t queries : {1, 17, 100}) {
        const Tensor last =
            all[0].reshape({133, 4 * 32}).rows(133 - queries, queries).reshape({1, queries, 4, 32});
        const Tensor out = attention(last, all[1], all[2], plan.plan);
        const double limit =
            dtype == DType::f64 ? 0 : 1e-6;  // other blocks, so other orders of summation in f32
        CHECK(max_difference(out, whole.rows(133 - queries, queries)) <= limit);
      }
    }
  }
  const PlanPtr plan = full_plan(40, 2);
  check_op(over(plan), shapes_of({1, 3, 2, 1, 8}, plan));  // and their gradients
}

TEST_CASE("attention: a query that sees nothing has zero output and zero gradient") {
  const PlanPtr plan = shifted_chunks(96, 4, 24);  // the first chunk of heads 1.. looks before the sequence
  std::vector<std::pair<Device, DType>> places = {{Device::cpu, DType::f64}};
  for (const Device device : all_devices())
    for (const DType dtype : {DType::f32, DType::bf16}) places.push_back({device, dtype});
  for (const auto& [device, dtype] : places) {
    CAPTURE(std::string(name_of(device)));
    const Inputs results = run(plan, on(device, inputs_of({1, 96, 4, 4, 8}, plan, dtype)));
    const auto out = values(results[0]), dq = values(results[1]);
    for (const Tensor& t : results)
      for (const double x : values(t)) CHECK(std::isfinite(x));
    for (size_t i = 0; i < 24; ++i) {
      for (size_t c = 8; c < 32; ++c) {
        CHECK(out[i * 32 + c] == 0);
        CHECK(dq[i * 32 + c] == 0);
      }
      CHECK(out[i * 32] != 0);
    }
  }
}

TEST_CASE("attention: what comes later changes no bit of what came before") {
  for (const NamedPlan& plan : plans_of_every_kind(201, 4)) {
    if (!plan.plan->causal) continue;
    CAPTURE(plan.name);
    for (const Device device : all_devices()) {
      CAPTURE(std::string(name_of(device)));
      Inputs in = inputs_of({1, 201, 4, 4, 16}, plan.plan, DType::f32);
      const auto before = values(over(plan.plan)(on(device, in)));
      for (Tensor& t : in) t = t.clone();
      for (const int64_t changed : {150, 97}) {
        for (Tensor& t : in) {
          float* row = t.data<float>() + changed * 64;
          for (int i = 0; i < 64; ++i) row[i] = i % 2 ? 1e30f : -3.0f;
        }
        const auto after = values(over(plan.plan)(on(device, in)));
        for (size_t i = 0; i < static_cast<size_t>(changed) * 64; ++i) REQUIRE(after[i] == before[i]);
      }
    }
  }
}

TEST_CASE("attention: scores far from zero neither overflow nor lose the softmax") {
  for (const double bound : {30.0, 300.0}) {
    const PlanPtr plan = full_plan(130, 2);
    const Inputs in = inputs_of({1, 130, 2, 2, 16}, plan, DType::f32, bound);
    const Inputs rows = run(plan, in_f64(in));
    // A score of size bound^2 K / sqrt K carries that times 2^-24 into the exponent; K of them add up in it.
    const double limit = bound * bound * 4 * 16 * 0x1p-24;
    for (const Device device : all_devices()) {
      CAPTURE(std::string(name_of(device)));
      const Inputs block = run(plan, on(device, in));
      CHECK(max_difference(block[0], rows[0]) <= limit * (1 + largest(rows[0])));
      for (const Tensor& t : block) CHECK(std::isfinite(largest(t)));
    }
  }
}

TEST_CASE("attention: bf16 errs at most twice what rounding inputs' exact results to bf16 errs") {
  const auto check = [](const NamedPlan& plan, const Sizes& sizes) {
    CAPTURE(plan.name);
    CAPTURE(sizes.width);
    const Inputs in = inputs_of(sizes, plan.plan, DType::bf16);
    const Inputs exact = run(plan.plan, in_f64(in));
    for (const Device device : all_devices()) {
      CAPTURE(std::string(name_of(device)));
      const Inputs low = run(plan.plan, on(device, in));
      for (size_t i = 0; i < low.size(); ++i) {
        CAPTURE(i);
        double naive = 0;
        for (const double value : values(exact[i]))
          naive = std::max(naive, std::abs(static_cast<double>(bf16(value)) - value));
        // Tensor cores also take weights and score gradients in bf16. These roundings fall either way and
        // average out over the keys or queries that a result sums, where the rounding of a large result does
        // not.
        CHECK(max_difference(low[i], exact[i]) <= 2 * naive);
      }
    }
  };
  for (const NamedPlan& plan : plans_of_every_kind(150, 4)) check(plan, {1, 150, 4, 2, 32});
  for (const int64_t width : {6, 40, 64, 80, 96, 128}) {
    check({"full", full_plan(150, 2)}, {1, 150, 2, 2, width});
    check({"patchwork", patchwork(129, 3, false)}, {2, 100, 3, 1, width});
  }
}

TEST_CASE("attention: the same bits at any thread count") {
  const int threads = omp_get_max_threads();
  struct Case {
    int64_t batch, tokens, heads, key_heads;
  };
  // Key heads that query heads share have their gradients summed behind; those of one are summed in place.
  // One head alone is several threads' in blocks of queries.
  for (const auto& [batch, tokens, heads, key_heads] :
       {Case{2, 250, 5, 1}, {2, 250, 5, 5}, {1, 1300, 1, 1}}) {
    std::vector<NamedPlan> plans = plans_of_every_kind(tokens, heads);
    if (heads > 1) plans.push_back({"heads tiled differently", heads_tiled_differently(tokens, true)});
    for (const NamedPlan& plan : plans) {
      CAPTURE(plan.name);
      CAPTURE(key_heads);
      const Inputs in = inputs_of({batch, tokens, heads, key_heads, 32}, plan.plan, DType::f32);
      omp_set_num_threads(1);
      const Inputs one = run(plan.plan, in);
      for (const int count : {2, 3, 7}) {
        omp_set_num_threads(count);
        const Inputs several = run(plan.plan, in);
        for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], several[i]));
      }
    }
  }
  omp_set_num_threads(threads);
}

TEST_CASE("attention: the same bits every time, on every device") {
  for (const Device device : other_devices()) {
    for (const NamedPlan& plan : plans_of_every_kind(129, 3)) {
      CAPTURE(plan.name);
      for (const DType dtype : {DType::f32, DType::bf16}) {
        const Inputs in = on(device, inputs_of({1, 129, 3, 1, 16}, plan.plan, dtype));
        const Inputs once = run(plan.plan, in), again = run(plan.plan, in);
        for (size_t i = 0; i < once.size(); ++i) CHECK(same_bits(once[i], again[i]));
      }
    }
  }
}

TEST_CASE("attention: memory is linear in the tokens") {
  const auto peak = [](int64_t tokens) {
    const PlanPtr plan = shifted_chunks(tokens, 4, 64);
    const Inputs in = inputs_of({1, tokens, 4, 2, 32}, plan, DType::f32);
    const int64_t before = memory_counters().live_bytes;
    reset_peak();
    run(plan, in);
    return memory_counters().peak_bytes - before;
  };
  // out, its cotangent twice (f32, bf16), three gradients and dK, dV of each query head; the log-sum-exp
  // beside them
  CHECK(peak(512) <= 512 * 4 * 32 * 4 * 8);
  CHECK(peak(2048) <= 4 * peak(512) + 4096);
}

TEST_CASE("attention: what does not fit is named") {
  const PlanPtr plan = full_plan(5, 4);
  const auto at = [](int64_t tokens, int64_t heads, int64_t width) {
    return Tensor::zeros({1, tokens, heads, width});
  };
  const auto message = [&](const Tensor& q, const Tensor& k, const Tensor& v) -> std::string {
    try {
      attention(q, k, v, plan);
    } catch (const Error& error) {
      return error.what();
    }
    return "fits";
  };
  CHECK(message(at(5, 4, 8), at(5, 2, 8), at(5, 2, 8)) == "fits");
  CHECK(message(at(5, 4, 8), at(5, 2, 6), at(5, 2, 6)) ==
        "attention: q is [1, 5, 4, 8], k is [1, 5, 2, 6], v is [1, 5, 2, 6]; expected [B, T, H, K] and twice "
        "[B, S, "
        "G, K]");
  CHECK(message(at(5, 4, 7), at(5, 2, 7), at(5, 2, 7)) ==
        "attention: head width is 7, expected an even number up to 256");
  CHECK(message(at(5, 4, 8), at(5, 3, 8), at(5, 3, 8)) ==
        "attention: 4 query heads over 3 key heads; the first must be a multiple of the second");
  CHECK(message(at(5, 6, 8), at(5, 3, 8), at(5, 3, 8)) == "attention: the plan has 4 heads, q has 6");
  CHECK(message(at(6, 4, 8), at(6, 2, 8), at(6, 2, 8)) == "attention: the plan is for 5 tokens, k has 6");
  CHECK(message(at(6, 4, 8), at(5, 2, 8), at(5, 2, 8)) ==
        "attention: 6 queries over 5 keys; the queries are the last of the positions");
  const Tensor x = at(5, 4, 8);
  CHECK_THROWS_WITH_AS(attention(x, x, x, plan, -1),
                       "attention: scale is -1, expected above 0; negate q instead", Error);
}

TEST_CASE("attention: what another device does not take is named, with what to do") {
  for (const Device device : other_devices()) {
    const auto message = [&](DType dtype, int64_t width) -> std::string {
      const Tensor x = Tensor::zeros({1, 5, 1, width}, dtype, device);
      try {
        attention(x, x, x, full_plan(5, 1));
      } catch (const Error& error) {
        return error.what();
      }
      return "fits";
    };
    CHECK(message(DType::f32, 128) == "fits");
    CHECK(message(DType::f32, 130) ==
          "attention: head width is 130 on CUDA, expected at most 128; use more heads, or device cpu");
    CHECK(message(DType::f64, 8) ==
          "attention: f64 on CUDA, expected f32 or bf16; f64 is for exact checks on the CPU");
  }
}

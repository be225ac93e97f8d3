#include "core/autograd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "core/random.h"
#include "ops/adamw.h"
#include "ops/add.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/matmul.h"
#include "ops/rms_norm.h"
#include "ops/swiglu.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

Tensor leaf(const Shape& shape, uint64_t seed) {
  return random_tensor(shape, DType::f32, seed).set_requires_grad();
}

Tensor ones(const Tensor& like) { return Tensor::full(like.shape(), 1); }

}  // namespace

TEST_CASE("autograd: an input used twice gathers both gradients") {
  const Tensor x = leaf({3}, 1);
  const Tensor y = add(add(x, x), x);
  backward(y, ones(y));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{3, 3, 3});
}

TEST_CASE("autograd: gradients add up over passes until they are cleared") {
  Tensor x = leaf({2}, 1);
  for (int pass = 1; pass <= 3; ++pass) {
    const Tensor y = add(x, x);
    backward(y, ones(y));
    CHECK(x.grad().to_vector<float>() == std::vector<float>(2, 2.0f * static_cast<float>(pass)));
  }
  x.set_grad({});
  CHECK_FALSE(x.grad());
}

TEST_CASE("autograd: a gradient shared by two leaves is not written through one of them") {
  const Tensor a = leaf({2}, 1), b = leaf({2}, 2);
  const Tensor y = add(a, b);
  backward(y, ones(y));
  const Tensor z = add(a, a);
  backward(z, ones(z));
  CHECK(a.grad().to_vector<float>() == std::vector<float>{3, 3});
  CHECK(b.grad().to_vector<float>() == std::vector<float>{1, 1});
}

TEST_CASE("autograd: a diamond waits for both its arms") {
  const Tensor x = leaf({2, 4}, 1), w = leaf({4, 4}, 2), gain = leaf({4}, 3);
  const auto diamond = [](const Inputs& in) {
    const Tensor h = rms_norm(in[0], in[2], 1e-5);
    return add(linear(h, in[1]), linear(add(h, in[0]), in[1]));
  };
  check_op(diamond, {{2, 4}, {4, 4}, {4}});
}

TEST_CASE("autograd: a chain of a million nodes neither recurses nor leaks") {
  const int64_t before = memory_counters().live_bytes;
  {
    const Tensor x = leaf({1}, 1), zero = Tensor::zeros({1});
    Tensor y = add(x, zero);
    for (int i = 0; i < 1000000; ++i) y = add(std::move(y), zero);
    SUBCASE("run backward") {
      backward(y, ones(y));
      CHECK(x.grad().item() == 1);
    }
    SUBCASE("just dropped") {}
  }
  CHECK(memory_counters().live_bytes == before);
}

TEST_CASE("autograd: a graph serves once, and a tensor without one says so") {
  const Tensor x = leaf({1}, 1);
  const Tensor y = add(x, x);
  backward(y);
  CHECK_THROWS_WITH_AS(backward(y),
                       "backward: the graph of add was used by an earlier backward; run the forward again",
                       Error);
  CHECK_THROWS_WITH_AS(backward(x.detach()),
                       "backward: the output has no graph; no input of it requires a gradient", Error);
  const Tensor wide = add(leaf({2}, 1), leaf({2}, 2));
  CHECK_THROWS_WITH_AS(
      backward(wide),
      "backward: output of shape [2] needs a gradient of its shape; only a scalar starts with 1", Error);
}

TEST_CASE("autograd: NoGrad records nothing, and ends with its scope") {
  const Tensor x = leaf({1}, 1);
  {
    NoGrad no_grad;
    CHECK_FALSE(add(x, x).requires_grad());
  }
  CHECK(add(x, x).requires_grad());
}

TEST_CASE("autograd: a frozen weight keeps no input alive") {
  const Tensor w = random_tensor({64, 64}, DType::f32, 1), x = leaf({64, 64}, 2);
  const Tensor y = linear(x, w);
  const int64_t with_graph = memory_counters().live_bytes;
  Tensor middle = linear(y, w);
  CHECK(memory_counters().live_bytes - with_graph == 64 * 64 * 4);  // the output, and nothing saved
}

TEST_CASE("autograd: an input that its node can remake takes no memory, and gradients have the same bits") {
  const Shape shape{129, 32}, other_shape{1, 129, 32};
  const Tensor x = leaf(shape, 1), gain = leaf({32}, 2), w = leaf({32, 32}, 3), v = leaf({32, 32}, 4);
  const auto norm = [&](const Tensor& in) { return rms_norm(in, gain, 1e-5); };
  using Op = std::function<Tensor()>;
  const std::vector<std::pair<const char*, Op>> ops = {
      {"rms_norm", [&] { return norm(x); }},
      {"swiglu", [&] { return swiglu(x, linear(x, w)); }},
      {"of what is remade itself", [&] { return swiglu(norm(x), norm(norm(x))); }},
      {"dropout",
       [&] {
         const Tensor held = norm(x);
         return dropout(held, 0.3);
       }},
  };
  for (const auto& [name, op] : ops) {
    INFO(name);
    const auto run = [&](bool kept) {
      set_random_state({11, 0});
      const int64_t before = memory_counters().live_bytes;
      Tensor made = op();
      if (kept) made = made.reshape(other_shape);  // under another shape it is held
      Tensor y = add(linear(made, w), linear(made, v));
      made = {};
      const int64_t saved = memory_counters().live_bytes - before;
      backward(y, ones(y));
      std::vector<Tensor> gradients;
      for (Tensor t : {x, gain, w, v}) {
        gradients.push_back(t.grad());
        t.set_grad({});
      }
      return std::pair(gradients, saved);
    };
    const auto [held, held_bytes] = run(true);
    const auto [remade, remade_bytes] = run(false);
    for (size_t i = 0; i < held.size(); ++i) CHECK(bool(held[i]) == bool(remade[i]));
    for (size_t i = 0; i < held.size(); ++i)
      if (held[i]) CHECK(same_bits(held[i], remade[i]));
    CHECK(held_bytes - remade_bytes == 129 * 32 * 4);
  }
}

TEST_CASE("autograd: what is remade has the values that were saved, whoever wrote into its memory since") {
  const Tensor x = leaf({31, 8}, 1), gain = leaf({8}, 2), w = leaf({5, 8}, 3);
  const auto gradient = [&](bool written_before, bool written_after) {
    Tensor normed = rms_norm(x, gain, 1e-5), same = normed.detach();
    if (written_before) same.copy_from(Tensor::full({31, 8}, 2));
    const Tensor y = linear(normed, w);
    if (written_after) same.copy_from(Tensor::full({31, 8}, 100));
    Tensor weight = w;
    weight.set_grad({});
    backward(y, ones(y));
    return w.grad();
  };
  CHECK(same_bits(gradient(false, true), gradient(false, false)));
  CHECK(gradient(true, false).to_vector<float>() == std::vector<float>(5 * 8, 31 * 2.0f));
  CHECK_THROWS_WITH_AS(gradient(true, true), doctest::Contains("backward of linear: its saved x"), Error);
}

TEST_CASE(
    "autograd: a saved tensor that is no input of its node is held, since nothing keeps its maker alive") {
  struct HandsOut : Node {
    const char* name() const override { return "hands out"; }
    std::vector<Tensor> backward(Tensor) override { return {other.clone()}; }
    Saved other{*this, "other"};
  };
  const Tensor x = leaf({31, 8}, 1);
  Tensor y = x.detach().clone(), expected;
  {
    const auto node = record<HandsOut>(y, {&x});
    const Tensor elsewhere = rms_norm(leaf({31, 8}, 2), leaf({8}, 3), 1e-5);
    expected = elsewhere.detach().clone();
    node->other = elsewhere;
  }
  backward(y, ones(y));
  CHECK(same_bits(x.grad(), expected));
}

TEST_CASE("checkpoint: the same bits for less memory, dropout included") {
  const Tensor w = leaf({32, 32}, 1), gain = leaf({32}, 2), x = leaf({129, 32}, 3), v = leaf({32, 32}, 4);
  const auto block = [&](const Tensor& in) {
    return dropout(linear(linear(rms_norm(in, gain, 1e-5), w), v), 0.3);
  };
  const auto run = [&](bool checkpointed) {
    const int64_t before = memory_counters().live_bytes;
    set_random_state({11, 0});
    Tensor y = x;
    for (int i = 0; i < 3; ++i) y = checkpointed ? checkpoint(block, y) : block(y);
    const int64_t saved = memory_counters().live_bytes - before;
    backward(y, ones(y));
    CHECK(random_state() == RandomState{11, 3});
    std::vector<Tensor> result{y.detach()};
    for (Tensor t : {w, v, gain, x}) {
      result.push_back(t.grad());
      t.set_grad({});
    }
    return std::pair(result, saved);
  };
  const auto [plain, plain_bytes] = run(false);
  const auto [checkpointed, checkpointed_bytes] = run(true);
  for (size_t i = 0; i < plain.size(); ++i) CHECK(same_bits(plain[i], checkpointed[i]));
  CHECK(checkpointed_bytes < plain_bytes);
}

TEST_CASE("checkpoint: what an op keeps is made once, handed out in the order of the calls, and then freed") {
  const Tensor w = leaf({8, 8}, 1);
  std::vector<std::string> made;
  const auto keeping = [&](const char* name, const Tensor& t) {
    return kept_results([&]() -> std::vector<Tensor> {
      made.push_back(name);
      return {t.detach().clone()};
    })[0];
  };
  const auto block = [&](const Tensor& in) {
    const Tensor y = linear(in, w), first = keeping("first", in), second = keeping("second", first);
    return add(y, add(first, second));
  };
  using Names = std::vector<std::string>;
  for (const auto& [keep, again] : {std::pair(Keep::input, Names{"first", "second", "first", "second"}),
                                    std::pair(Keep::dear, Names{"first", "second"})}) {
    const Tensor x = leaf({128, 8}, 3);
    const int64_t before = memory_counters().live_bytes;
    made.clear();
    const Tensor y = checkpoint(block, x, keep);
    CHECK(made == Names{"first", "second"});
    const int64_t one = 128 * 8 * 4;
    CHECK(memory_counters().live_bytes - before == (keep == Keep::dear ? 3 : 1) * one);
    backward(y, ones(y));
    CHECK(made == again);
    CHECK(memory_counters().live_bytes - before == 2 * one + 8 * 8 * 4);  // y, and the gradients of x and w
    Tensor(w).set_grad({});
  }
  made.clear();
  keeping("outside", w);
  keeping("outside", w);
  CHECK(made == Names{"outside", "outside"});
}

TEST_CASE(
    "autograd: what is written between forward and backward is an error, by whatever way it is written") {
  // y = w x with x = 1: dw is 1. With x written in between it was 100.
  const std::vector<std::pair<const char*, std::function<void(Tensor&)>>> ways = {
      {"data", [](Tensor& t) { *t.data<float>() = 100; }},
      {"raw", [](Tensor& t) { std::memset(t.raw(), 0, t.bytes()); }},
      {"copy_from",
       [](Tensor& t) {
         t.copy_from(Tensor::full({1, 1}, 100));
       }},
      {"a row", [](Tensor& t) { *t.rows(0, 1).data<float>() = 100; }},
      {"a reshaped handle", [](Tensor& t) { *t.reshape({1}).data<float>() = 100; }},
      {"a product into it",
       [](Tensor& t) {
         matmul_into(Tensor::full({1, 1}, 10), Tensor::full({1, 1}, 10), t);
       }},
      {"random numbers", [](Tensor& t) { fill_uniform(t, 2, 3); }},
      {"an optimizer's step",
       [](Tensor& t) {
         std::vector<AdamWParameter> step{{t, ones(t), Tensor::zeros({1, 1}), Tensor::zeros({1, 1}), false}};
         adamw_step(step, {.lr = 1}, 1);
       }},
  };
  for (const auto& [name, write] : ways) {
    INFO("by ", std::string(name));
    for (const bool the_weight : {false, true}) {
      Tensor x = Tensor::full({1, 1}, 1).set_requires_grad(), w = Tensor::full({1, 1}, 1).set_requires_grad();
      const Tensor below = add(x, x);
      const Tensor y = add(linear(x, w), below);
      Tensor written = (the_weight ? w : x).detach();
      write(written);
      CHECK_THROWS_WITH_AS(
          backward(y),
          (std::string("backward of linear: its saved ") + (the_weight ? "weight" : "x") +
           " [1, 1] was written after forward; write after backward, or run the forward again")
              .c_str(),
          Error);
      CHECK_FALSE(x.grad());  // refused before any gradient was touched
      CHECK_FALSE(w.grad());
      backward(linear(x, w));
      CHECK(w.grad().item() == x.item());
    }
  }
}

TEST_CASE(
    "autograd: reading is no write, and neither is a write after backward or to what no gradient reads") {
  const Tensor x = leaf({3, 4}, 1), w = leaf({5, 4}, 2);
  Tensor frozen = random_tensor({5, 4}, DType::f32, 3), unsaved = random_tensor({3, 5}, DType::f32, 4);
  for (int pass = 0; pass < 2; ++pass) {
    const Tensor y = add(add(linear(x, w), linear(x.detach(), frozen)), unsaved);
    CHECK(values(x).size() == 12);
    const Tensor row = w.rows(1, 1);
    CHECK(std::isfinite(w.data<float>()[0] + row.data<float>()[0] + w.reshape({20}).to_vector<float>()[19]));
    const Tensor copy = w.detach().clone();
    frozen.copy_from(copy);  // its product has no gradient
    unsaved.copy_from(y.detach());
    backward(y, ones(y));
    w.detach().copy_from(copy);
  }
  CHECK(x.grad());
}

TEST_CASE(
    "autograd: a seed, a stored gradient and an op's gradient have the shape, dtype and device they belong "
    "to") {
  Tensor x = leaf({2, 3}, 1);
  CHECK_THROWS_WITH_AS(backward(add(x, x), ones(Tensor::zeros({3, 2}))),
                       "backward: the gradient is [3, 2] f32 on cpu, expected [2, 3] f32 on cpu", Error);
  CHECK_THROWS_WITH_AS(backward(add(x, x), Tensor::zeros({1})),
                       "backward: the gradient is [1] f32 on cpu, expected [2, 3] f32 on cpu", Error);
  CHECK_THROWS_WITH_AS(backward(add(x, x), Tensor::zeros({2, 3}, DType::f64)),
                       "backward: the gradient is [2, 3] f64 on cpu, expected [2, 3] f32 on cpu", Error);
  CHECK_FALSE(x.grad());
  CHECK_THROWS_WITH_AS(x.set_grad(Tensor::zeros({6})),
                       "set_grad: the gradient is [6] f32 on cpu, expected [2, 3] f32 on cpu", Error);
  CHECK_THROWS_WITH_AS(x.set_grad(Tensor::zeros({2, 3}, DType::bf16)),
                       "set_grad: the gradient is [2, 3] bf16 on cpu, expected [2, 3] f32 on cpu", Error);

  struct WrongNode : Node {
    const char* name() const override { return "wrong"; }
    std::vector<Tensor> backward(Tensor) override { return {Tensor::zeros({3})}; }
  };
  Tensor y = Tensor::zeros({2, 3});
  record<WrongNode>(y, {&x});
  CHECK_THROWS_WITH_AS(backward(y, ones(y)),
                       "wrong: the gradient is [3] f32 on cpu, expected [2, 3] f32 on cpu", Error);
}

TEST_CASE("autograd: what would lose a gradient is an error, and detach() says that it is meant") {
  const Tensor x = leaf({2, 3}, 1);
  Tensor y = add(x, x);
  CHECK_THROWS_WITH_AS(
      x.clone(),
      "clone: the copy of this tensor [2, 3] would lose its gradient; detach() it first where that is meant",
      Error);
  CHECK_THROWS_WITH_AS(y.to(Device::cpu), doctest::Contains("to: the copy of this tensor [2, 3] would lose"),
                       Error);
  CHECK_THROWS_WITH_AS(Tensor::zeros({2, 3}).copy_from(y), doctest::Contains("copy: the copy of this tensor"),
                       Error);
  CHECK_THROWS_WITH_AS(
      y.copy_from(Tensor::zeros({2, 3})),
      "copy: into the output of add [2, 3], whose gradient is that of the values it has; detach() it "
      "first where that is meant",
      Error);
  CHECK_THROWS_WITH_AS(
      y.set_requires_grad(),
      "set_requires_grad: tensor [2, 3] is the output of add; detach() it first to make a leaf of it", Error);
  CHECK_THROWS_WITH_AS(y.grad(), "grad: tensor [2, 3] is the output of add; only a leaf keeps its gradient",
                       Error);
  CHECK_THROWS_WITH_AS(y.set_grad({}), doctest::Contains("set_grad: only a leaf"), Error);
  CHECK_THROWS_WITH_AS(Tensor::zeros({2}, DType::i32).set_requires_grad(),
                       "set_requires_grad: tensor [2] is i32; integers have no gradient", Error);
  CHECK(same_bits(y.detach().clone(), y));
  NoGrad no_grad;
  CHECK(same_bits(y.clone(), y.to(Device::cpu)));
}

TEST_CASE("rows: gradients reach the rows that were taken, and no others") {
  check_op([](const Inputs& in) { return add(in[0].rows(1, 2), in[0].rows(0, 2)); }, {{3, 33}});
  check_op([](const Inputs& in) { return linear(in[0].rows(30, 1), in[1].rows(1, 2)); }, {{31, 5}, {3, 5}});
  const Tensor x = leaf({3, 2}, 1);
  const Tensor y = x.rows(2, 1);
  backward(y, ones(y));
  CHECK(x.grad().to_vector<float>() == std::vector<float>{0, 0, 0, 0, 1, 1});
  NoGrad no_grad;
  CHECK_FALSE(x.rows(2, 1).requires_grad());
}

TEST_CASE("checkpoint: what its block read must not be written before backward") {
  const auto run = [](int written) {
    Tensor x = leaf({2, 4}, 1), w = leaf({4, 4}, 2), frozen = random_tensor({4, 4}, DType::f32, 3);
    const auto block = [&](const Tensor& in) {
      const Tensor inner =
          linear(in, frozen).detach();  // what dies with the first run may be written by anybody
      return add(linear(linear(in, frozen), w), add(inner, in));
    };
    const Tensor y =
        dropout(checkpoint(block, checkpoint(block, x)), 0.1);  // dropout takes the output's memory
    Tensor t =
        std::vector<Tensor>{x, w, frozen, Tensor::zeros({4, 4})}[static_cast<size_t>(written)].detach();
    t.copy_from(Tensor::full(t.shape(), 3));
    backward(y, ones(y));
    CHECK(w.grad());
  };
  for (int written = 0; written < 2; ++written) {
    CAPTURE(written);
    CHECK_THROWS_WITH_AS(run(written), doctest::Contains("backward of checkpoint: "), Error);
    CHECK_THROWS_WITH_AS(run(written), doctest::Contains(" was written after forward; "), Error);
  }
  CHECK_THROWS_WITH_AS(
      run(2),
      "backward of checkpoint: a tensor [4, 4] that its block reads was written after forward; write "
      "after backward, or run the forward again",
      Error);
  run(3);
}

TEST_CASE("checkpoint: parameters learn even where the input does not") {
  const Tensor w = leaf({4, 4}, 1), x = random_tensor({2, 4}, DType::f32, 2);
  const Tensor y = checkpoint([&](const Tensor& in) { return linear(in, w); }, x);
  backward(y, ones(y));
  CHECK(w.grad());
}

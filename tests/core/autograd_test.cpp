#include "core/autograd.h"

#include <doctest/doctest.h>

#include "core/random.h"
#include "ops/add.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/rms_norm.h"
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

TEST_CASE("checkpoint: the same bits for less memory, dropout included") {
  const Tensor w = leaf({32, 32}, 1), gain = leaf({32}, 2), x = leaf({129, 32}, 3);
  const auto block = [&](const Tensor& in) { return dropout(linear(rms_norm(in, gain, 1e-5), w), 0.3); };
  const auto run = [&](bool checkpointed) {
    set_random_state({11, 0});
    Tensor y = x;
    for (int i = 0; i < 3; ++i) y = checkpointed ? checkpoint(block, y) : block(y);
    const int64_t saved = memory_counters().live_bytes;
    backward(y, ones(y));
    CHECK(random_state() == RandomState{11, 3});
    std::vector<Tensor> result{y.detach()};
    for (Tensor t : {w, gain, x}) {
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

TEST_CASE("checkpoint: parameters learn even where the input does not") {
  const Tensor w = leaf({4, 4}, 1), x = random_tensor({2, 4}, DType::f32, 2);
  const Tensor y = checkpoint([&](const Tensor& in) { return linear(in, w); }, x);
  backward(y, ones(y));
  CHECK(w.grad());
}

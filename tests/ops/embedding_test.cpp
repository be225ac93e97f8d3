#include "ops/embedding.h"

#include <doctest/doctest.h>
#include <omp.h>

#include "core/random.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

/// Skewed towards low ids, as text is, so that rows repeat and some rows never occur.
Tensor some_ids(const Shape& shape, int32_t vocabulary) {
  Tensor ids = Tensor::empty(shape, DType::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) {
    const float u = uniform01(philox(3, static_cast<uint64_t>(i))[0]);
    ids.data<int32_t>()[i] = static_cast<int32_t>(u * u * static_cast<float>(vocabulary));
  }
  return ids;
}

Tensor table_gradient(const Tensor& ids, Tensor table, DType out) {
  table.set_requires_grad();
  const Tensor y = embedding(ids, table, out);
  backward(y, random_tensor(y.shape(), out, 8).to(y.device()));
  return table.grad();
}

}  // namespace

TEST_CASE("embedding: gradients, precision and memory at odd sizes") {
  for (const auto& [tokens, table] : std::vector<std::pair<Shape, Shape>>{{{1, 1}, {1, 1}},
                                                                          {{2, 31}, {33, 129}},
                                                                          {{129}, {31, 33}},
                                                                          {{1, 33}, {129, 31}},
                                                                          {{3, 100}, {3, 8}},
                                                                          {{300}, {1, 33}}}) {
    CAPTURE(to_string(table));
    const Tensor ids = some_ids(tokens, static_cast<int32_t>(table[0]));
    check_op([&](const Inputs& in) { return embedding(ids, in[0], in[0].dtype()); }, {table});
  }
}

TEST_CASE("embedding: takes rows, and f32 rows beside bf16 activations are rounded once") {
  const Tensor ids = Tensor::of<int32_t>({2, 0, 2}, {1, 3});
  for (const Device device : all_devices())
    for (const int64_t width : {5, 16}) {
      CAPTURE(name_of(device));
      const Tensor table = random_tensor({3, width}, DType::f32, 1).to(device);
      const Tensor y = embedding(ids, table, DType::f32);
      CHECK(y.device() == device);
      CHECK(y.shape() == Shape{1, 3, width});
      for (int64_t i = 0; i < 3; ++i)
        CHECK(same_bits(y.reshape({3, width}).rows(i, 1), table.rows(ids.data<int32_t>()[i], 1)));
      const auto low = embedding(ids, table, DType::bf16).to_vector<bf16>();
      const auto wide = y.to_vector<float>();
      for (size_t i = 0; i < wide.size(); ++i) CHECK(low[i].bits == bf16(wide[i]).bits);
      const Tensor grad = table_gradient(ids, table, DType::bf16);
      CHECK(grad.dtype() == DType::f32);
      const auto d = values(random_tensor({3, width}, DType::bf16, 8)), g = values(grad);
      const auto w = static_cast<size_t>(width);
      for (size_t i = 0; i < w; ++i) {
        CHECK(g[i] == d[w + i]);
        CHECK(g[w + i] == 0);
        CHECK(g[2 * w + i] == static_cast<float>(d[i] + d[2 * w + i]));
      }
    }
}

TEST_CASE("embedding: the table's gradient has the same bits at any thread count") {
  const Tensor ids = some_ids({2, 2000}, 97), table = random_tensor({97, 65}, DType::f32, 2);
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const Tensor one = table_gradient(ids, table, DType::f32);
  for (const int threads : {2, 3, 7}) {
    omp_set_num_threads(threads);
    CHECK(same_bits(table_gradient(ids, table, DType::f32), one));
  }
  omp_set_num_threads(before);
}

TEST_CASE("embedding: more ids than a grid has blocks in any direction but one") {
  constexpr int32_t count = 70000;  // above 65535
  Tensor ids = Tensor::empty({count}, DType::i32);
  for (int32_t i = 0; i < count; ++i) ids.data<int32_t>()[i] = count - 1 - i;  // each once
  const Tensor table = random_tensor({count, 8}, DType::f32, 5),
               dy = random_tensor({count, 8}, DType::f32, 8);
  for (const Device device : all_devices()) {
    CAPTURE(name_of(device));
    const Tensor y = embedding(ids, table.to(device), DType::f32),
                 grad = table_gradient(ids, table.to(device), DType::f32);
    int64_t wrong = 0;
    const auto found = y.to_vector<float>(), rows = table.to_vector<float>(), d = dy.to_vector<float>(),
               sums = grad.to_vector<float>();
    for (size_t i = 0; i < static_cast<size_t>(count) * 8; ++i) {
      const size_t other = (static_cast<size_t>(count) - 1 - i / 8) * 8 + i % 8;
      wrong += found[i] != rows[other] || sums[i] != d[other];
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("embedding: an id outside the vocabulary is named") {
  const auto run = [](int32_t id) {
    return embedding(Tensor::of<int32_t>({0, id}, {2}), Tensor::zeros({3, 4}), DType::f32);
  };
  CHECK_THROWS_WITH_AS(run(3),
                       "embedding: id 3 at position 1 is outside the vocabulary of 3; was the text encoded "
                       "with another tokenizer?",
                       Error);
  CHECK_THROWS_AS(run(-1), Error);
}

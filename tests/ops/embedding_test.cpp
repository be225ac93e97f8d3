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
  backward(y, random_tensor(y.shape(), out, 8));
  return table.grad();
}

}  // namespace

TEST_CASE("embedding: gradients, precision and memory at odd sizes") {
  for (const auto& [tokens, table] : std::vector<std::pair<Shape, Shape>>{
           {{1, 1}, {1, 1}}, {{2, 31}, {33, 129}}, {{129}, {31, 33}}, {{1, 33}, {129, 31}}}) {
    CAPTURE(to_string(table));
    const Tensor ids = some_ids(tokens, static_cast<int32_t>(table[0]));
    check_op([&](const Inputs& in) { return embedding(ids, in[0], in[0].dtype()); }, {table});
  }
}

TEST_CASE("embedding: takes rows, and f32 rows beside bf16 activations are rounded once") {
  const Tensor ids = Tensor::of<int32_t>({2, 0, 2}, {1, 3}), table = random_tensor({3, 5}, DType::f32, 1);
  const Tensor y = embedding(ids, table, DType::f32);
  CHECK(y.shape() == Shape{1, 3, 5});
  for (int64_t i = 0; i < 3; ++i)
    CHECK(same_bits(y.reshape({3, 5}).rows(i, 1), table.rows(ids.data<int32_t>()[i], 1)));
  const Tensor low = embedding(ids, table, DType::bf16);
  for (int64_t i = 0; i < 15; ++i) CHECK(low.data<bf16>()[i].bits == bf16(y.data<float>()[i]).bits);
  const Tensor grad = table_gradient(ids, table, DType::bf16);
  CHECK(grad.dtype() == DType::f32);
  const Tensor dy = random_tensor({3, 5}, DType::bf16, 8);
  CHECK(grad.data<float>()[2 * 5] == float(dy.data<bf16>()[0]) + float(dy.data<bf16>()[10]));
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

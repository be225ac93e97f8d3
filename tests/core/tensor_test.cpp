#include "core/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "core/device.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("tensor: reshape and rows share storage, clone does not") {
  const Tensor t = Tensor::of<float>({1, 2, 3, 4, 5, 6}, {3, 2});
  CHECK(t.reshape({2, -1}).shape() == Shape{2, 3});
  CHECK(t.reshape({6}).same_storage(t));
  CHECK(t.rows(1, 2).to_vector<float>() == std::vector<float>{3, 4, 5, 6});
  CHECK_FALSE(t.clone().same_storage(t));
  CHECK(t.size(-1) == 2);
}

TEST_CASE("tensor: what does not fit is refused with the values") {
  const Tensor t = Tensor::zeros({3, 2});
  CHECK_THROWS_WITH_AS(t.reshape({4, 2}), "reshape: [3, 2] has 6 elements, [4, 2] has 8", Error);
  CHECK_THROWS_WITH_AS(t.rows(2, 2), "rows: [2, 4) of shape [3, 2]", Error);
  CHECK_THROWS_WITH_AS(t.item(), "tensor: item() of shape [3, 2], expected one element", Error);
  CHECK_THROWS_WITH_AS(t.data<double>(), "tensor: read as f64 but holds f32", Error);
  CHECK_THROWS_WITH_AS(t.size(2), "tensor: dimension 2 of a tensor of shape [3, 2]", Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({-1}), "tensor: negative size in shape [-1]", Error);
  // 2^64 elements are not 0 elements, and 2^61 of 8 bytes not 0 bytes
  for (const Shape& shape : {Shape{int64_t{1} << 32, int64_t{1} << 32}, Shape{int64_t{1} << 61}})
    CHECK_THROWS_WITH_AS(Tensor::empty(shape, DType::f64), doctest::Contains("has more than 2^60 elements"),
                         Error);
}

TEST_CASE("tensor: borrowed memory is read, and not handed out for writing") {
  struct Owner : Lender {
    void returned(const std::byte* begin, size_t bytes) const override {
      back += begin == reinterpret_cast<const std::byte*>(numbers) ? bytes : 0;
    }
    float numbers[2] = {1, 1};
    mutable size_t back = 0;
  };
  const auto owner = std::make_shared<Owner>();
  Tensor t = Tensor::over(Storage::borrow(owner->numbers, 8, owner), 0, {2}, DType::f32);
  CHECK(std::as_const(t).data<float>()[1] == 1);
  CHECK(t.version() == 0);
  const char* refused = "memory: 8 bytes of a mapped file are to be read only; clone() what is to be written";
  CHECK_THROWS_WITH_AS(t.data<float>(), refused, Error);
  CHECK_THROWS_WITH_AS(t.raw(), refused, Error);
  CHECK_THROWS_WITH_AS(t.copy_from(Tensor::zeros({2})), refused, Error);
  Tensor same = t.reshape({1, 2});
  CHECK((t = t.clone()).data<float>()[0] == 1);
  CHECK(owner->back == 0);  // `same` reads it
  same = Tensor();
  CHECK(owner->back == 8);
}

TEST_CASE("tensor: a reshaped temporary keeps the only handle") {
  Tensor t = Tensor::zeros({3, 2});
  CHECK(t.unique());
  Tensor r = std::move(t).reshape({2, 3});
  CHECK(r.unique());
  const Tensor other = r;
  CHECK_FALSE(r.unique());
}

TEST_CASE("bf16: rounds to nearest even, keeps NaN and infinities") {
  const auto back = [](float x) { return static_cast<float>(bf16(x)); };
  CHECK(back(1.0f) == 1.0f);
  CHECK(back(1.0f + 0x1p-8f) == 1.0f);  // a tie goes to the even neighbour
  CHECK(back(1.0f + 3 * 0x1p-8f) == 1.0f + 0x1p-6f);
  CHECK(back(1.0f + 0x1p-8f + 0x1p-20f) == 1.0f + 0x1p-7f);
  CHECK(back(std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(back(std::numeric_limits<float>::quiet_NaN())));
  CHECK(back(-0.0f) == 0.0f);
  CHECK(std::signbit(back(-0.0f)));
}

TEST_CASE("storage: counters follow what lives, and a peak is remembered") {
#ifdef SCCA_SANITIZED
  constexpr int64_t kBoth = 4000 + 6;  // which are to see every byte beyond
#else
  constexpr int64_t kBoth = 4032 + 64;  // whole cache lines
#endif
  const int64_t before = memory_counters().live_bytes;
  reset_peak();
  {
    const Tensor a = Tensor::empty({1000}), b = Tensor::empty({3}, DType::bf16);
    CHECK(memory_counters().live_bytes == before + kBoth);
  }
  CHECK(memory_counters().live_bytes == before);
  CHECK(memory_counters().peak_bytes == before + kBoth);
}

TEST_CASE("storage: what was freed stays in the pool, where it is available to tensors") {
  constexpr int64_t kNumbers = 1 << 27, kBytes = 4 * kNumbers;
  { const Tensor freed = Tensor::empty({kNumbers}); }
  const int64_t pooled = pooled_bytes(Device::cpu), available = available_memory(Device::cpu);
  const Tensor again = Tensor::empty({kNumbers});
#ifdef SCCA_SANITIZED
  CHECK(pooled == 0);
#else
  CHECK(pooled >= kBytes);
  CHECK(pooled_bytes(Device::cpu) == pooled - kBytes);
#endif
  CHECK(available - available_memory(Device::cpu) > kBytes / 2);  // other programs take and give meanwhile
}

TEST_CASE("storage: fresh memory is NaN in the tests") {
  const Tensor t = Tensor::empty({33});
  for (const double x : values(t)) CHECK(std::isnan(x));
}

TEST_CASE("storage: more than the machine has is one clear line") {
  CHECK_THROWS_WITH_AS(Tensor::empty({int64_t{1} << 50}),
                       doctest::Contains("memory: no room for 4503599627370496 bytes on the CPU"), Error);
}

// Memory and tensors on every device of the build.
#include "core/device.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/accumulate.h"
#include "core/memory.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("device: tensors move to a device and back, in every dtype and at odd sizes") {
  for (const Device device : other_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
      for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{1}, Shape{31, 33}, Shape{3, 129, 7}}) {
        CAPTURE(to_string(shape));
        const Tensor x = random_tensor(shape, dtype, 1), there = x.to(device);
        CHECK(there.device() == device);
        CHECK(same_bits(there.to(Device::cpu), x));
        CHECK(same_bits(there.clone(), x));
        CHECK(there.clone().device() == device);
        Tensor copy = Tensor::empty(shape, dtype, device);
        copy.copy_from(there);
        CHECK(same_bits(copy, x));
      }
    }
    const Tensor ids = Tensor::of<int32_t>({1, -2, 3}, {3});
    CHECK(ids.to(device).to_vector<int32_t>() == std::vector<int32_t>{1, -2, 3});
    CHECK(ids.to(device).rows(1, 1).item() == -2);
  }
}

TEST_CASE("device: what is filled there") {
  for (const Device device : other_devices()) {
    CHECK(same_bits(Tensor::zeros({3, 33}, DType::bf16, device), Tensor::zeros({3, 33}, DType::bf16)));
    CHECK(same_bits(Tensor::full({129}, 0.3, DType::f32, device), Tensor::full({129}, 0.3)));
    // Fresh memory is not clean: the tests fill it with NaN.
    CHECK(std::isnan(Tensor::empty({1}, DType::f32, device).item()));
  }
}

TEST_CASE("device: host memory may change once it has been handed over") {
  for (const Device device : other_devices()) {
    // More than the pinned buffers hold together, and no multiple of their size.
    std::vector<float> host(5'000'001);
    for (size_t i = 0; i < host.size(); ++i) host[i] = static_cast<float>(i % 1000);
    Tensor there = Tensor::empty({static_cast<int64_t>(host.size())}, DType::f32, device);
    const size_t bytes = there.bytes();
    SCCA_ON_DEVICE(device,
                   copy_from_host(there.raw(), reinterpret_cast<const std::byte*>(host.data()), bytes));
    std::fill(host.begin(), host.end(), -1.0f);
    const std::vector<float> back = there.to_vector<float>();
    bool kept = true;
    for (size_t i = 0; i < back.size(); ++i) kept &= back[i] == static_cast<float>(i % 1000);
    CHECK(kept);
  }
}

TEST_CASE("device: live and peak bytes are counted for each device by itself") {
  for (const Device device : other_devices()) {
    const MemoryCounters before = memory_counters(device), on_cpu = memory_counters(Device::cpu);
    {
      const Tensor t = Tensor::empty({1 << 16}, DType::f32, device);
      CHECK(memory_counters(device).live_bytes == before.live_bytes + (1 << 18));
    }
    CHECK(memory_counters(device).live_bytes == before.live_bytes);
    CHECK(memory_counters(Device::cpu).live_bytes == on_cpu.live_bytes);
    reset_peak(device);
    CHECK(memory_counters(device).peak_bytes == before.live_bytes);
  }
}

TEST_CASE("device: no room is one clear line") {
  for (const Device device : other_devices()) {
    std::string message;
    try {
      Tensor::empty({int64_t{1} << 50}, DType::f32, device);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message.find("memory: no room for 4503599627370496 bytes on " + cuda_properties().name) == 0);
    CHECK(message.find("use a shorter context, a smaller batch, or checkpointing on") != std::string::npos);
    CHECK(Tensor::full({1}, 2, DType::f32, device).item() == 2);  // and what follows works
  }
}

TEST_CASE("device: gradients that meet, in place where nobody else holds one") {
  for (const Device device : other_devices()) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      for (const int64_t n : {1, 33, 4099}) {
        const Tensor a = random_tensor({n}, dtype, 1), b = random_tensor({n}, dtype, 2);
        Tensor expected = a.clone(), sum = a.to(device), shared = a.to(device);
        accumulate(expected, b);
        const void* const place = sum.raw();
        accumulate(sum, b.to(device));
        CHECK(sum.raw() == place);
        CHECK(same_bits(sum, expected));
        const Tensor held = shared;
        accumulate(shared, b.to(device));
        CHECK(same_bits(held, a));
        CHECK(same_bits(shared, expected));
      }
    }
  }
}

TEST_CASE("device: what can't be used says why") {
  CHECK(why_unusable(Device::cpu).empty());
  if (why_unusable(Device::cuda).empty()) return;
  CHECK(why_unusable(Device::cuda).find("use the CPU") != std::string::npos);
  CHECK_THROWS_WITH_AS(need_device(Device::cuda, "--device cuda"),
                       ("--device cuda: " + why_unusable(Device::cuda)).c_str(), Error);
  CHECK_THROWS_AS(Tensor::empty({2}, DType::f32, Device::cuda), Error);
}

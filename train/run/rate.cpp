#include "train/run/rate.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "core/random.h"
#include "ops/cast.h"
#include "ops/matmul.h"

namespace scca {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

double best_seconds(double budget, const std::function<void()>& work, Device device) {
  constexpr double long_enough = 5e-3;  // beside which a wait of some 10 us is nothing
  const Tensor flag = Tensor::zeros({1}, DType::f32, device);
  const auto seconds_of = [&](int calls) {
    flag.item();  // reading waits for what was queued before
    const double begin = now();
    for (int call = 0; call < calls; ++call) work();
    flag.item();
    return (now() - begin) / calls;
  };
  int calls = 1;
  if (device != Device::cpu) {
    seconds_of(1);  // sets up what is set up once
    calls = static_cast<int>(std::clamp(long_enough / seconds_of(1), 1.0, 1000.0));
  }
  double best = std::numeric_limits<double>::infinity(), spent = 0;
  for (int run = 0; run < 1 || (spent < budget && run < 50) || (run < 2 && spent < 2 * budget); ++run) {
    const double taken = seconds_of(calls);
    best = std::min(best, taken);
    spent += taken * calls;
  }
  return best;
}

Tensor normal_tensor(Shape shape, Place place) {
  Tensor tensor = Tensor::empty(std::move(shape));
  fill_normal(tensor, 1);
  return cast(tensor, place.dtype).to(place.device);
}

double matmul_gflops(int64_t size, double budget, Place place) {
  const Tensor a = normal_tensor({size, size}, place), b = normal_tensor({size, size}, place);
  Tensor c = Tensor::empty({size, size}, place.dtype, place.device);
  matmul_into(a, b, c);  // the first call compiles the kernel
  const double seconds = best_seconds(
      budget, [&] { matmul_into(a, b, c); }, place.device);
  const auto n = static_cast<double>(size);
  return 2 * n * n * n / seconds * 1e-9;
}

double expected_seconds(double flops, double gflops) {
  constexpr double share_of_rate = 0.8;
  return flops * 1e-9 / (share_of_rate * gflops);
}

}  // namespace scca

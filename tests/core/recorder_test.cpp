#include "core/recorder.h"

#include <doctest/doctest.h>

#include <thread>

#include "core/check.h"
#include "core/dispatch.h"
#include "core/planning.h"
#include "tests/op_check.h"

using namespace scca;
using namespace scca::test;

namespace {

/// A kernel of the test's own, and one that calls it.
void inner(const Tensor& from, Tensor& to) { to.data<float>()[0] = from.data<float>()[0]; }
void outer(const Tensor& from, Tensor& to) {
  const KernelScope scope("inner(from, to)");
  inner(from, to);
}

}  // namespace

TEST_CASE("recorder: calls by name and place, what is read once and what is written twice") {
  const Tensor from = random_tensor({33}, DType::f32, 1);
  Tensor to = Tensor::zeros({7});
  const Recorder recorder;
  {
    const Region region("block", 3);
    const KernelScope scope("copy_first(from, to)");
    inner(from, to);
    from.data<float>();  // again
  }
  from.data<float>();  // in no kernel
  REQUIRE(recorder.calls().size() == 1);
  const RecordedCall& call = recorder.calls()[0];
  CHECK(call.kernel() == "copy_first");
  CHECK(call.where.to_string() == "forward of block 3");
  CHECK(call.bytes == 33 * 4 + 2 * 7 * 4);
  CHECK(0 <= call.begin);
  CHECK(call.begin <= call.end);
  CHECK(call.end <= recorder.now());
}

TEST_CASE("recorder: a kernel within a kernel has its time for itself") {
  const Tensor from = random_tensor({33}, DType::f32, 1);
  Tensor to = Tensor::zeros({7});
  const Recorder recorder;
  {
    const KernelScope scope("outer(from, to)");
    outer(from, to);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  REQUIRE(recorder.calls().size() == 2);
  const RecordedCall &of_outer = recorder.calls()[0], &of_inner = recorder.calls()[1];
  CHECK(of_outer.kernel() == "outer");
  CHECK(of_inner.kernel() == "inner");
  CHECK(of_outer.within == doctest::Approx(of_inner.end - of_inner.begin));
  CHECK(of_outer.seconds() + of_inner.seconds() == doctest::Approx(of_outer.end - of_outer.begin));
  CHECK(of_outer.seconds() >= 0.002);
  CHECK(of_inner.bytes == 33 * 4 + 2 * 7 * 4);
  CHECK(of_outer.bytes == 0);
}

TEST_CASE("recorder: one a thread, of that thread alone, and of no plan") {
  CHECK(!Recorder::any());
  CHECK(!flops_counted());
  {
    const Recorder recorder;
    CHECK(Recorder::of_this_thread() == &recorder);
    CHECK_THROWS_WITH_AS(Recorder(), "recorder: this thread has one already", Error);
    CHECK(flops_counted());
    count_flops("matmul", 6);
    std::thread([] {
      CHECK(Recorder::of_this_thread() == nullptr);
      CHECK(!flops_counted());
      const Tensor other = Tensor::zeros({2});
      const KernelScope scope("other()");
      other.data<float>();
    }).join();
    {
      const Planning planning;
      CHECK(!flops_counted());
      count_flops("matmul", 100);
    }
    CHECK(recorder.calls().empty());
    CHECK(recorder.flops() == std::map<std::string, double>{{"matmul", 6}});
  }
  CHECK(!Recorder::any());
  CHECK(Recorder::of_this_thread() == nullptr);
}

// Streams and events. Work is queued and runs at the first call that has to wait for it, on the thread that
// calls: a host that forgets to wait sees old bytes, always.
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "internal.h"

// NVIDIA declares these types and leaves them to the runtime.
struct CUstream_st {
  std::deque<std::function<void()>> queue;
  bool blocking = true;  // the default stream waits for it
};
struct CUevent_st {
  CUstream_st* stream = nullptr;  // in which it was last recorded
  uint64_t recorded = 0, reached = 0;
};

namespace cuemu {
namespace {

std::recursive_mutex& device_lock() {
  static std::recursive_mutex* made = new std::recursive_mutex;
  return *made;
}

std::set<CUstream_st*>& streams() {
  static std::set<CUstream_st*>* made = new std::set<CUstream_st*>;
  return *made;
}

CUstream_st& stream_of(cudaStream_t stream) {
  static CUstream_st* by_default = *streams().insert(new CUstream_st).first;
  return stream ? *stream : *by_default;
}

bool one_step(CUstream_st& stream) {
  if (stream.queue.empty()) return false;
  const std::function<void()> work = std::move(stream.queue.front());
  stream.queue.pop_front();
  work();
  return true;
}

void run(CUstream_st& stream) {
  if (stream.queue.empty()) return;
  const DeviceOpen open;
  while (one_step(stream)) {
  }
}

/// Until the event's last record at the time of the call has been reached.
void run_to(CUevent_st& event, uint64_t record) {
  const DeviceOpen open;
  while (event.reached < record && one_step(*event.stream)) {
  }
}

/// A call on the default stream comes after all streams but the non-blocking ones.
void join_default(CUstream_st& stream) {
  if (&stream != &stream_of(nullptr)) return;
  for (CUstream_st* other : streams())
    if (other->blocking) run(*other);
}

void copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (kind == cudaMemcpyHostToDevice) check_device_range("cudaMemcpy", to, bytes);
  if (kind == cudaMemcpyDeviceToHost) check_device_range("cudaMemcpy", from, bytes);
  if (kind == cudaMemcpyDeviceToDevice) {
    check_device_range("cudaMemcpy", to, bytes);
    check_device_range("cudaMemcpy", from, bytes);
    check::copied(to, from, bytes);
  }
  std::memmove(to, from, bytes);
  if (kind == cudaMemcpyHostToDevice) check::written_by_host(to, bytes);
}

void count(cudaMemcpyKind kind, size_t bytes) {
  if (kind == cudaMemcpyHostToDevice) {
    ++counters.copies_to_device;
    counters.bytes_to_device += static_cast<int64_t>(bytes);
  } else if (kind == cudaMemcpyDeviceToHost) {
    ++counters.copies_to_host;
    counters.bytes_to_host += static_cast<int64_t>(bytes);
  }
}

}  // namespace

void enqueue_work(cudaStream_t stream, std::function<void()> work) {
  const std::lock_guard lock(device_lock());
  join_default(stream_of(stream));
  stream_of(stream).queue.push_back(std::move(work));
}

void run_everything() {
  const std::lock_guard lock(device_lock());
  for (CUstream_st* stream : streams()) run(*stream);
}

}  // namespace cuemu

using namespace cuemu;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  const std::lock_guard lock(device_lock());
  *stream = *streams().insert(new CUstream_st).first;
  (*stream)->blocking = !(flags & cudaStreamNonBlocking);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const std::lock_guard lock(device_lock());
  run(stream_of(stream));
  streams().erase(stream);
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const std::lock_guard lock(device_lock());
  ++counters.waits;
  join_default(stream_of(stream));
  run(stream_of(stream));
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  ++counters.waits;
  run_everything();
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  count(kind, bytes);
  if (kind == cudaMemcpyHostToDevice &&
      !is_pinned(from)) {  // the runtime stages pageable memory before it returns
    const auto* first = static_cast<const char*>(from);
    auto staged = std::make_shared<std::vector<char>>(first, first + bytes);
    enqueue_work(stream, [=] { copy(to, staged->data(), bytes, kind); });
  } else {
    enqueue_work(stream, [=] { copy(to, from, bytes, kind); });
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  enqueue_work(stream, [=] {
    check_device_range("cudaMemset", memory, bytes);
    if (value == 0)
      set_zero(memory, bytes);
    else
      std::memset(memory, value, bytes);
    // filling with NaN is how scca marks memory that nobody has written
    if (value == 0xff)
      check::allocated(memory, bytes);
    else
      check::written_by_host(memory, bytes);
  });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  if (!device_exists()) return failed(cudaErrorNoDevice);
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::lock_guard lock(device_lock());
  if (event->stream) run_to(*event, event->recorded);  // nothing queued refers to it any more
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const std::lock_guard lock(device_lock());
  if (event->stream) run_to(*event, event->recorded);
  event->stream = &stream_of(stream);
  const uint64_t record = ++event->recorded;
  enqueue_work(stream, [=] { event->reached = record; });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const std::lock_guard lock(device_lock());
  ++counters.waits;
  if (event->stream) run_to(*event, event->recorded);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const std::lock_guard lock(device_lock());
  const uint64_t record = event->recorded;
  enqueue_work(stream, [=] {
    if (event->stream) run_to(*event, record);
  });
  return cudaSuccess;
}

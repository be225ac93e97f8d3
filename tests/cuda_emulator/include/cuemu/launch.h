#pragma once
// From a typed kernel and its arguments to work in a stream.
#include <driver_types.h>

#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cuemu {

/// A launch, waiting in its stream. call() is one thread's run of the kernel.
struct Launch {
  cudaLaunchConfig_t config;
  const void* kernel;  // for messages
  size_t bytes;        // of this object: what threads may read of the host's memory, for its parameters

  virtual ~Launch() = default;
  virtual void call() const = 0;
};

cudaError_t enqueue(std::unique_ptr<Launch> launch);

template <class... Parameters>
struct TypedLaunch final : Launch {
  void (*function)(Parameters...);
  std::tuple<std::remove_cv_t<Parameters>...> values;

  template <class... Arguments>
  TypedLaunch(void (*kernel_function)(Parameters...), Arguments&&... given)
      : function(kernel_function), values(std::forward<Arguments>(given)...) {
    bytes = sizeof *this;
  }
  void call() const override {
    [this]<size_t... i>(std::index_sequence<i...>) { function(std::get<i>(values)...); }
    (std::index_sequence_for<Parameters...>());
  }
};

}  // namespace cuemu

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  static_assert((std::is_trivially_copyable_v<Parameters> && ...),
                "a kernel's parameters are copied to the device byte by byte");
  auto launch =
      std::make_unique<cuemu::TypedLaunch<Parameters...>>(kernel, std::forward<Arguments>(arguments)...);
  launch->config = *config;
  launch->kernel = reinterpret_cast<const void*>(kernel);
  return cuemu::enqueue(std::move(launch));
}

#pragma once
// From a tensor's device and dtype to the code that runs. A kernel is declared once for every device and
// called by name:
//
//   SCCA_KERNELS(void rms_norm_forward(const Tensor& x, const Tensor& weight, double eps, Tensor& y);)
//   SCCA_ON_DEVICE(x.device(), rms_norm_forward(x, weight, eps, y));
#include "core/check.h"
#include "core/dtype.h"

/// Declares the same kernels in cpu:: and cuda::, so that the two arms cannot drift apart.
#define SCCA_KERNELS(...) \
  namespace cpu {         \
  __VA_ARGS__             \
  }                       \
  namespace cuda {        \
  __VA_ARGS__             \
  }

/// One kernel that has no X.cu yet: the CPU's is declared, and on CUDA a call is an error that names it, also
/// in a build that has CUDA.
///
///   SCCA_CPU_KERNEL(void softcap_forward(const Tensor& x, double cap, Tensor& y))
#define SCCA_CPU_KERNEL(...)                                                              \
  namespace cpu {                                                                         \
  __VA_ARGS__;                                                                            \
  }                                                                                       \
  namespace cuda {                                                                        \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wunused-parameter\"") \
      [[noreturn]] inline __VA_ARGS__ {                                                   \
    ::scca::fail(__func__, " has no CUDA kernel; use ", ::scca::Setting("device"),        \
                 " cpu, or write one in a .cu file");                                     \
  }                                                                                       \
  _Pragma("GCC diagnostic pop")                                                           \
  }

/// The one device switch. A build without CUDA has no cuda:: definitions to link; its arm is an error naming
/// the op. While this thread plans (core/planning.h) nothing is called, and no argument is evaluated: what is
/// to be counted is allocated before.
#define SCCA_ON_DEVICE(device, call)         \
  do {                                       \
    if (::scca::planning()) {                \
      ::scca::plan_kernel(#call);            \
      break;                                 \
    }                                        \
    const ::scca::KernelScope within_kernel(#call); \
    SCCA_BY_DEVICE(device, call);            \
  } while (false)

#ifdef SCCA_CUDA
#define SCCA_BY_DEVICE(device, call)     \
  do {                                   \
    if ((device) == ::scca::Device::cpu) \
      cpu::call;                         \
    else                                 \
      cuda::call;                        \
  } while (false)
#else
#define SCCA_BY_DEVICE(device, call)                                                             \
  do {                                                                                           \
    if ((device) != ::scca::Device::cpu)                                                         \
      ::scca::fail("this build has no CUDA, so it cannot run ", #call,                           \
                   "; build with nvcc on the PATH, or use ", ::scca::Setting("device"), " cpu"); \
    cpu::call;                                                                                   \
  } while (false)
#endif

namespace scca {

class Planning;
Planning* planning();
void plan_kernel(const char* call);

/// Marks that a kernel runs on this thread: it may not allocate, and a recorder (core/recorder.h) takes its
/// time. `call` is its text.
class KernelScope {
 public:
  explicit KernelScope(const char* call);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  bool before_;
};
bool in_kernel();

/// Calls f.template operator()<T>() with the C++ type of a floating dtype.
template <class F>
decltype(auto) visit_float(DType dtype, const char* op, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::bf16:
      return f.template operator()<bf16>();
    case DType::f64:
      return f.template operator()<double>();
    default:
      fail(op, ": dtype ", name_of(dtype), ", expected f32, bf16 or f64");
  }
}

/// As visit_float, integers included.
template <class F>
decltype(auto) visit_dtype(DType dtype, const char* op, F&& f) {
  if (dtype == DType::i32) return f.template operator()<int32_t>();
  return visit_float(dtype, op, f);
}

}  // namespace scca

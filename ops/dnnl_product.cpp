#include "ops/dnnl_product.h"

#include <dnnl.hpp>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>

#include "core/parallel.h"

namespace scca::cpu {
namespace {

dnnl::memory::data_type dnnl_type(DType dtype) {
  return dtype == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// oneDNN takes microseconds to prepare a product; a training step makes the same few dozen again and again.
class DnnlMatmuls {
 public:
  /// By one call of oneDNN. Operands of f32, or of bf16 where dnnl_multiplies_bf16().
  void run(const MatrixView& a, const MatrixView& b, const MatrixView& c, const MatmulOptions& options) {
    const int64_t k = options.transpose_a ? a.rows : a.columns;
    // what oneDNN prepares depends on how many threads it finds
    const Key key{c.rows,
                  c.columns,
                  k,
                  a.stride,
                  b.stride,
                  c.stride,
                  thread_count(),
                  options.transpose_a,
                  options.transpose_b,
                  options.scale,
                  options.accumulate,
                  a.dtype,
                  c.dtype};
    auto found = prepared_.find(key);
    if (found == prepared_.end()) {
      if (prepared_.size() >= kMostPrepared) prepared_.clear();  // lengths that never repeat must not pile up
      found = prepared_.emplace(key, prepare(a, b, c, options)).first;
    }
    const auto& [desc, product, scale] = found->second;
    const auto memory = [&](const dnnl::memory::desc& d, const MatrixView& view) {
      return dnnl::memory(d, engine_, const_cast<std::byte*>(view.at));
    };
    std::unordered_map<int, dnnl::memory> arguments{{DNNL_ARG_SRC, memory(desc.src_desc(), a)},
                                                    {DNNL_ARG_WEIGHTS, memory(desc.weights_desc(), b)},
                                                    {DNNL_ARG_DST, memory(desc.dst_desc(), c)}};
#if DNNL_VERSION_MAJOR >= 3
    if (scale) arguments.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, *scale);
#endif
    product.execute(stream_, arguments);
    stream_.wait();
  }

 private:
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int, bool, bool, double, bool,
                         DType, DType>;
  struct Prepared {
    dnnl::matmul::primitive_desc desc;
    dnnl::matmul product;
    std::optional<dnnl::memory> scale;  // since oneDNN 3 an argument, before a part of the product
  };
  static constexpr size_t kMostPrepared = 512;

  Prepared prepare(const MatrixView& a_view, const MatrixView& b_view, const MatrixView& c_view,
                   const MatmulOptions& options) const {
    const auto matrix = [](const MatrixView& view, bool transposed) {
      return transposed ? dnnl::memory::desc({view.columns, view.rows}, dnnl_type(view.dtype),
                                             dnnl::memory::dims{1, view.stride})
                        : dnnl::memory::desc({view.rows, view.columns}, dnnl_type(view.dtype),
                                             dnnl::memory::dims{view.stride, 1});
    };
    const auto a = matrix(a_view, options.transpose_a), b = matrix(b_view, options.transpose_b),
               c = matrix(c_view, false);
    dnnl::primitive_attr attributes;
    if (options.accumulate) {
      dnnl::post_ops sum;
      sum.append_sum(1.0f);
      attributes.set_post_ops(sum);
    }
    std::optional<dnnl::memory> scale;
#if DNNL_VERSION_MAJOR >= 3
    if (options.scale != 1) {
      attributes.set_scales_mask(DNNL_ARG_SRC, 0);
      scale.emplace(dnnl::memory::desc({1}, dnnl::memory::data_type::f32, dnnl::memory::dims{1}), engine_);
      *static_cast<float*>(scale->get_data_handle()) = static_cast<float>(options.scale);
    }
    const dnnl::matmul::primitive_desc desc(engine_, a, b, c, attributes);
#else
    if (options.scale != 1) attributes.set_output_scales(0, {static_cast<float>(options.scale)});
    const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(a, b, c), attributes, engine_);
#endif
    return {desc, dnnl::matmul(desc), scale};
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  std::map<Key, Prepared> prepared_;
};

}  // namespace

bool dnnl_multiplies_bf16() {
  static const bool native = [] {
    const auto has = static_cast<unsigned>(dnnl::get_effective_cpu_isa());  // a set of bits
    const auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
    return (has & wanted) == wanted;
  }();
  return native;
}

void dnnl_product(const MatrixView& a, const MatrixView& b, const MatrixView& c,
                  const MatmulOptions& options) {
  static thread_local DnnlMatmuls of_this_thread;
  of_this_thread.run(a, b, c, options);
}

}  // namespace scca::cpu

#include "ops/embedding.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dequantize.h"

namespace scca {
namespace {

void check_ids(const Tensor& ids, int64_t vocabulary) {
  if (!ids.has_values()) return;
  const int32_t* id = ids.data<int32_t>();
  for (int64_t i = 0; i < ids.numel(); ++i) {
    SCCA_CHECK(id[i] >= 0 && id[i] < vocabulary, "embedding: id ", id[i], " at position ", i,
               " is outside the vocabulary of ", vocabulary,
               "; was the text encoded with another tokenizer?");
  }
}

/// A counting sort.
TokenRuns runs_of(const Tensor& ids, int64_t vocabulary) {
  const int32_t* id = ids.data<int32_t>();
  const auto tokens = static_cast<int32_t>(ids.numel());
  std::vector<int32_t> next(static_cast<size_t>(vocabulary) + 1);
  for (int32_t i = 0; i < tokens; ++i) ++next[static_cast<size_t>(id[i]) + 1];
  for (size_t v = 1; v < next.size(); ++v) next[v] += next[v - 1];
  TokenRuns runs;
  for (size_t v = 0; v + 1 < next.size(); ++v) {
    if (next[v] == next[v + 1]) continue;
    runs.begins.push_back(next[v]);
    runs.ids.push_back(static_cast<int32_t>(v));
  }
  runs.begins.push_back(tokens);
  runs.positions.resize(static_cast<size_t>(tokens));
  for (int32_t i = 0; i < tokens; ++i)
    runs.positions[static_cast<size_t>(next[static_cast<size_t>(id[i])]++)] = i;
  return runs;
}

struct EmbeddingNode : Node {
  const char* name() const override { return "embedding"; }

  std::vector<Tensor> backward(Tensor dy) override {
    Tensor dtable = Tensor::empty(table_shape, table_dtype, dy.device());
    EmbeddingWorkspace workspace = embedding_workspace(ids.numel(), dtable);
    SCCA_ON_DEVICE(dy.device(), embedding_backward(runs_of(ids, table_shape[0]), dy, dtable, workspace));
    return {dtable};
  }

  Saved ids{*this, "ids"};
  Shape table_shape;
  DType table_dtype = DType::f32;
};

}  // namespace

EmbeddingWorkspace embedding_workspace(int64_t tokens, const Tensor& dtable) {
  if (dtable.device() == Device::cpu) return {};
  // A run of n tokens above kMostTerms has fewer than n / kMostTerms + 1 parts, and n / kMostTerms is
  // above 1.
  const int64_t long_runs = tokens / kMostTerms, most_parts = 2 * long_runs;
  const int64_t runs = std::min(tokens, dtable.size(0));
  const int64_t words = tokens + 3 * (runs + most_parts + long_runs);  // positions; three numbers a sum
  return {Tensor::empty({words}, DType::i32, dtable.device()),
          Tensor::empty({most_parts, dtable.size(1)}, DType::f32, dtable.device())};
}

Tensor embedding(const Tensor& ids, const Tensor& table, DType out) {
  SCCA_CHECK(ids.dtype() == DType::i32 && ids.device() == Device::cpu, "embedding: ids are ",
             name_of(ids.dtype()), " on ", name_of(ids.device()), ", expected i32 on cpu");
  SCCA_CHECK(table.rank() == 2, "embedding: table is ", to_string(table.shape()),
             ", expected [vocabulary, width]");
  const bool blocks = is_blocks(table.dtype());
  SCCA_CHECK(blocks || table.dtype() == out || table.dtype() == DType::f32, "embedding: table is ",
             name_of(table.dtype()), ", output is ", name_of(out),
             "; the table must be f32, of a block dtype, or as the output");
  check_ids(ids, table.size(0));
  Shape shape = ids.shape();
  shape.push_back(table.size(1));
  Tensor y = Tensor::empty(shape, out, table.device());
  const Tensor ids_there = ids.to(table.device());
  if (blocks) {
    SCCA_ON_DEVICE(table.device(), dequantize_rows(ids_there, table, y));
  } else {
    SCCA_ON_DEVICE(table.device(), embedding_forward(ids_there, table, y));
  }
  if (auto node = record<EmbeddingNode>(y, {&table, &ids})) {
    node->ids = ids;
    node->table_shape = table.shape();
    node->table_dtype = table.dtype();
  }
  return y;
}

namespace cpu {
namespace {

/// A run belongs to the thread in whose range of positions it begins: one writer per row, one order of
/// summation, and even work also where a few ids make most of the text.
template <class T, class W>
void backward(const TokenRuns& runs, const Tensor& dy, Tensor& dtable) {
  using A = Accumulator<W>;
  const int64_t width = dtable.size(1);
  const T* dys = dy.data<T>();
  W* out = dtable.data<W>();
  parallel_for(dtable.numel(), kElementwiseGrain,
               [=](int64_t begin, int64_t end) { std::fill(out + begin, out + end, W(0.0f)); });
  const int64_t grain = kElementwiseGrain / std::max<int64_t>(width, 1);
  parallel_for(static_cast<int64_t>(runs.positions.size()), grain, [&](int64_t begin, int64_t end) {
    std::vector<A> sum(static_cast<size_t>(width));
    A* s = sum.data();
    const auto first = std::lower_bound(runs.begins.begin(), runs.begins.end(), begin);
    for (auto r = static_cast<size_t>(first - runs.begins.begin()); runs.begins[r] < end; ++r) {
      std::fill(sum.begin(), sum.end(), A(0));
      for (int32_t i = runs.begins[r]; i < runs.begins[r + 1]; ++i) {
        const T* from = dys + runs.positions[static_cast<size_t>(i)] * width;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) s[j] += static_cast<A>(from[j]);
      }
      W* row = out + runs.ids[r] * width;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) row[j] = static_cast<W>(s[j]);
    }
  });
}

template <class T, class W>
void forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  const int64_t width = table.size(1);
  const int32_t* id = ids.data<int32_t>();
  const W* rows = table.data<W>();
  T* ys = y.data<T>();
  const int64_t grain = kElementwiseGrain / std::max<int64_t>(width, 1);
  parallel_for(ids.numel(), grain, [=](int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      const W* from = rows + id[token] * width;
      T* to = ys + token * width;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) to[i] = static_cast<T>(static_cast<Accumulator<T>>(from[i]));
    }
  });
}

/// f(type of y, type of table).
template <class F>
void visit_types(const Tensor& y, const Tensor& table, F&& f) {
  visit_float(y.dtype(), "embedding", [&]<class T>() {
    if (table.dtype() == y.dtype()) {
      f.template operator()<T, T>();
    } else {
      f.template operator()<T, float>();
    }
  });
}

}  // namespace

void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  visit_types(y, table, [&]<class T, class W>() { forward<T, W>(ids, table, y); });
}

void embedding_backward(const TokenRuns& runs, const Tensor& dy, Tensor& dtable, EmbeddingWorkspace&) {
  visit_types(dy, dtable, [&]<class T, class W>() { backward<T, W>(runs, dy, dtable); });
}

}  // namespace cpu
}  // namespace scca

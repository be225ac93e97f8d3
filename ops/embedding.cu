#include "core/elementwise.cuh"
#include "core/upload.cuh"
#include "ops/embedding.h"

namespace scca::cuda {
namespace {

/// One token a block. Moves n elements of either type.
template <int N, class T, class W>
__global__ void take_rows(const int32_t* ids, const W* table, int64_t width, T* y) {
  const W* from = table + ids[blockIdx.x] * width;
  T* to = y + static_cast<int64_t>(blockIdx.x) * width;
  for_each_pack<N>(width, threadIdx.x, blockDim.x,
                   [&]<int K>(int64_t i) { store(to + i, load<K>(from + i)); });
}

/// Row `row` of the result is the sum of the rows listed at [begin, end).
struct Sum {
  int32_t begin, end, row;
};

/// A sum down the grid, a pack of columns a thread, f32 in the order of the list. rows[i] is the row that is
/// listed at i; where `rows` is null, i. Moves all terms and all results once.
template <int N, class T, class W>
__global__ void sum_rows(const T* from, const int32_t* rows, const Sum* sums, int64_t width, W* out) {
  const Sum s = sums[blockIdx.x];
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  if (column >= width) return;
  Floats<N> total{};
#pragma unroll 4
  for (int32_t i = s.begin; i < s.end; ++i) {
    const Floats<N> term = load<N>(from + (rows ? rows[i] : i) * width + column);
#pragma unroll
    for (int k = 0; k < N; ++k) total.at[k] += term.at[k];
  }
  store(out + s.row * width + column, total);
}

/// Sums that lie in the device's memory.
struct Sums {
  const Sum* first;
  int64_t count;
};

template <class T, class W>
void sum_rows_into(const Tensor& from, const int32_t* rows, const Sums& sums, Tensor& out) {
  const int64_t width = out.size(1);
  visit_pack<kPack<T>>(width % kPack<T> == 0 && aligned(from, out), [&]<int N>() {
    const unsigned threads = threads_for(width / N, 128);
    const auto across = static_cast<unsigned>((width / N + threads - 1) / threads);
    launch({"embedding", {blocks_along_x("embedding", sums.count), across}, threads}, sum_rows<N, T, W>,
           data<T>(from), rows, sums.first, width, data<W>(out));
  });
}

/// What a text's runs are summed as: short ones at once; long ones in parts, so that a text of one word is no slower
/// than another, which are then summed in their order.
struct Lists {
  explicit Lists(const TokenRuns& runs) {
    for (size_t r = 0; r < runs.ids.size(); ++r) {
      const int32_t begin = runs.begins[r], end = runs.begins[r + 1],
                    first = static_cast<int32_t>(parts.size());
      if (end - begin <= kMostTerms) {
        whole.push_back({begin, end, runs.ids[r]});
        continue;
      }
      for (int32_t at = begin; at < end; at += kMostTerms)
        parts.push_back({at, std::min(at + kMostTerms, end), static_cast<int32_t>(parts.size())});
      of_parts.push_back({first, static_cast<int32_t>(parts.size()), runs.ids[r]});
    }
  }

  std::vector<Sum> whole, parts, of_parts;
};

/// f<type of y, type of table>.
template <class F>
void visit_types(const Tensor& y, const Tensor& table, F&& f) {
  visit_work(y.dtype(), "embedding", [&]<class T>() {
    if (table.dtype() == y.dtype()) {
      f.template operator()<T, T>();
    } else {
      f.template operator()<T, float>();
    }
  });
}

}  // namespace

void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y) {
  const int64_t width = table.size(1);
  visit_types(y, table, [&]<class T, class W>() {
    visit_pack<kPack<T>>(width % kPack<T> == 0 && aligned(table, y), [&]<int N>() {
      launch({"embedding", blocks_along_x("embedding", ids.numel()), threads_for(width / N)},
             take_rows<N, T, W>, data<int32_t>(ids), data<W>(table), width, data<T>(y));
    });
  });
}

void embedding_backward(const TokenRuns& runs, const Tensor& dy, Tensor& dtable, EmbeddingWorkspace& workspace) {
  const Lists lists(runs);
  Upload upload(workspace.lists);
  const int32_t* const positions = upload.add(runs.positions);
  const auto add = [&](const std::vector<Sum>& list) { return Sums{upload.add(list), std::ssize(list)}; };
  const Sums whole = add(lists.whole), parts = add(lists.parts), of_parts = add(lists.of_parts);
  set_bytes(dtable.raw(), 0, dtable.bytes());
  visit_types(dy, dtable, [&]<class T, class W>() {
    sum_rows_into<T, W>(dy, positions, whole, dtable);
    sum_rows_into<T, float>(dy, positions, parts, workspace.parts);
    sum_rows_into<float, W>(workspace.parts, nullptr, of_parts, dtable);
  });
}

}  // namespace scca::cuda

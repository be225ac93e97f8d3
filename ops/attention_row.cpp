// Attention of one query, which is what a generated token is: a register holds one key's elements, not one
// query's neighbours as in attention_block.h, where fifteen lanes of sixteen would be idle. The keys that it
// sees are read once for all query heads that share them and see the same, in pieces that threads take in
// turn.
#include <cmath>
#include <type_traits>
#include <vector>

#include "core/parallel.h"
#include "core/simd.h"
#include "ops/attention.h"
#include "ops/attention_block.h"

namespace scca::cpu {
namespace {

using simd::floats;

/// Some keys that heads [first, first + count) see: they share a key head and look alike.
struct Piece {
  int64_t batch, first, count;
  Slice keys;
  int64_t partial;  // where its first head's statistics lie
};

/// What a head knows after some keys: reference r, sum of 2^(s - r), and the sum of 2^(s - r) v in `out`.
struct Partial {
  float reference = kNegativeInfinity, sum = 0;
  float* out = nullptr;
};

/// The slices of `head` that `query` sees, cut to what it sees of them.
std::vector<Slice> seen_by(const HeadPlan& head, int64_t query, bool causal) {
  std::vector<Slice> runs;
  for (const Tile& tile : head) {
    const Slice& all = tile.queries;
    if (query < all.start || query > all.last() || (query - all.start) % all.step != 0) continue;
    for (const KeySlice& keys : tile.keys) {
      const int64_t begin = keys.begin_for(query), end = keys.end_for(query, causal);
      if (begin < end) runs.push_back({keys.at(begin), keys.step, end - begin});
    }
    break;
  }
  return runs;
}

/// Keys of a piece, by their number alone, so that sums are made in the same order at any thread count.
int64_t piece_length(const std::vector<Slice>& runs) {
  int64_t all = 0;
  for (const Slice& run : runs) all += run.count;
  constexpr int64_t parts = 8, least = 64, most = 1024;
  return std::clamp((all / parts + simd::kWidth - 1) / simd::kWidth * simd::kWidth, least, most);
}

struct Work {
  std::vector<Piece> pieces;
  int64_t partials = 0;
};

Work work_of(const AttentionPlan& plan, const AttentionShape& shape) {
  Work work;
  const int64_t group = shape.heads / shape.key_heads;
  for (int64_t b = 0; b < shape.batch; ++b)
    for (int64_t head = 0; head < shape.heads;) {
      const HeadPlan& own = *plan.heads[static_cast<size_t>(head)];
      const int64_t end = (head / group + 1) * group;
      int64_t alike = head + 1;
      while (alike < end && plan.heads[static_cast<size_t>(alike)].get() == &own) ++alike;
      const std::vector<Slice> runs = seen_by(own, shape.first_query(), plan.causal);
      const int64_t length = piece_length(runs);
      for (const Slice& run : runs)
        for (int64_t i = 0; i < run.count; i += length) {
          work.pieces.push_back(
              {b, head, alike - head, {run.at(i), run.step, std::min(length, run.count - i)}, work.partials});
          work.partials += alike - head;
        }
      head = alike;
    }
  return work;
}

/// The part of a row that a register takes, from `i` on.
template <class T>
floats part_of(const T* row, int64_t i, int64_t width) {
  return i + simd::kWidth <= width ? simd::load(row + i) : simd::load_first(row + i, width - i);
}

/// Scores of up to a register of keys, -inf in the lanes beyond `count`. There are `left` keys from here on.
template <class T>
[[gnu::always_inline]] inline floats scores_of(const float* query, const T* keys, int64_t stride,
                                               int64_t count, int64_t left, int64_t width) {
  floats products[simd::kWidth] = {};
  for (int64_t key = 0; key < count; ++key) {
    if (key + kRowsAhead < left) prefetch(keys + (key + kRowsAhead) * stride, width);
    floats sum = {};
    for (int64_t i = 0; i < width; i += simd::kWidth)
      sum = simd::fma(part_of(query, i, width), part_of(keys + key * stride, i, width), sum);
    products[key] = sum;
  }
  simd::transpose(products);
  for (int some = simd::kWidth / 2; some > 0; some /= 2)
    for (int i = 0; i < some; ++i) products[i] += products[i + some];
  for (int64_t i = count; i < simd::kWidth; ++i) products[0][i] = kNegativeInfinity;
  return products[0];
}

/// What scores are taken from: where all are -inf, any number makes their weights 0.
float finite(float reference) { return reference == kNegativeInfinity ? 0.0f : reference; }

/// Keys that a head takes at once, with one reference for all.
constexpr int64_t kTogether = 4 * simd::kWidth;

/// Takes up to kTogether of the `left` keys into what the head knows.
template <class T>
[[gnu::always_inline]] inline void add_keys(Partial& head, const float* query, const T* keys, const T* values,
                                            int64_t stride, int64_t left, int64_t width) {
  const int64_t count = std::min(left, kTogether);
  floats scores[kTogether / simd::kWidth], top = simd::broadcast(head.reference);
  for (int64_t key = 0; key < count; key += simd::kWidth) {
    floats& some = scores[key / simd::kWidth];
    some = scores_of(query, keys + key * stride, stride, std::min<int64_t>(simd::kWidth, count - key),
                     left - key, width);
    top = simd::max(top, some);
  }
  const float most = simd::reduce_max(top);
  const float from = finite(most), shrink = std::exp2(head.reference - from);  // 0 at first: 2^-inf
  float weights[kTogether];
  floats sum = {};
  for (int64_t key = 0; key < count; key += simd::kWidth) {
    const floats some = simd::exp2_softmax(scores[key / simd::kWidth] - simd::broadcast(from));
    simd::store(weights + key, some);
    sum += some;
  }
  head.sum = head.sum * shrink + simd::reduce_sum(sum);
  head.reference = most;
  // Several registers of `out`, which is padded to whole ones, side by side: each sum waits for the one
  // before.
  constexpr int64_t most_registers = 4;
  for (int64_t i = 0; i < width; i += most_registers * simd::kWidth) {
    const int64_t registers =
        std::min<int64_t>(most_registers, (width - i + simd::kWidth - 1) / simd::kWidth);
    floats out[most_registers];
    for (int64_t r = 0; r < registers; ++r) out[r] = simd::load(head.out + i + r * simd::kWidth) * shrink;
    for (int64_t key = 0; key < count; ++key) {
      if (key + kRowsAhead < left) prefetch(values + (key + kRowsAhead) * stride, width);
      for (int64_t r = 0; r < registers; ++r)
        out[r] = simd::fma(simd::broadcast(weights[key]),
                           part_of(values + key * stride, i + r * simd::kWidth, width), out[r]);
    }
    for (int64_t r = 0; r < registers; ++r) simd::store(head.out + i + r * simd::kWidth, out[r]);
  }
}

/// `width` is the shape's: a constant in the usual ones, whose loops are then laid out flat.
template <class T, class Width>
void run_piece(const AttentionShape& shape, Width width, const Piece& piece, const float* queries, const T* k,
               const T* v, Partial* partials) {
  const int64_t stride = shape.key_heads * shape.width * piece.keys.step,
                key_head = shape.key_head(piece.first);
  for (int64_t done = 0; done < piece.keys.count; done += kTogether) {
    const int64_t row = shape.key_row(piece.batch, piece.keys.at(done), key_head);
    for (int64_t i = 0; i < piece.count; ++i) {
      const float* query = queries + (piece.batch * shape.heads + piece.first + i) * shape.width;
      add_keys(partials[i], query, k + row, v + row, stride, piece.keys.count - done, width);
    }
  }
}

/// Brings what the pieces of a head know together, in their order.
template <class T>
void finish_head(const AttentionShape& shape, int64_t batch, int64_t head,
                 const std::vector<const Partial*>& parts, T* out, float* log_sum_exp) {
  float reference = kNegativeInfinity, sum = 0;
  for (const Partial* part : parts) reference = std::max(reference, part->reference);
  std::vector<float> total(static_cast<size_t>(shape.width), 0.0f);
  for (const Partial* part : parts) {
    const float factor = std::exp2(part->reference - finite(reference));
    sum += factor * part->sum;
    for (int64_t i = 0; i < shape.width; ++i) total[static_cast<size_t>(i)] += factor * part->out[i];
  }
  T* to = out + shape.query_row(batch, shape.first_query(), head);
  for (int64_t i = 0; i < shape.width; ++i) to[i] = T(sum == 0 ? 0.0f : total[static_cast<size_t>(i)] / sum);
  log_sum_exp[shape.statistic(batch, shape.first_query(), head)] =
      parts.empty() ? kNegativeInfinity : static_cast<float>((reference + std::log2(sum)) / kLog2E);
}

template <class T>
void forward(const AttentionInput& in, AttentionOutput& result) {
  const AttentionShape shape(in.q, in.k);
  const Work work = work_of(in.plan, shape);
  std::vector<float> queries(static_cast<size_t>(shape.batch * shape.heads * shape.width));
  const auto scale = static_cast<float>(in.scale * kLog2E);
  for (size_t i = 0; i < queries.size(); ++i) queries[i] = scale * static_cast<float>(in.q.data<T>()[i]);
  const int64_t padded = (shape.width + simd::kWidth - 1) / simd::kWidth * simd::kWidth;
  std::vector<float> outs(static_cast<size_t>(work.partials * padded), 0.0f);
  std::vector<Partial> partials(static_cast<size_t>(work.partials));
  for (int64_t i = 0; i < work.partials; ++i) partials[static_cast<size_t>(i)].out = outs.data() + i * padded;
  const T *k = in.k.data<T>(), *v = in.v.data<T>();
  parallel_tasks(std::ssize(work.pieces), [&](int64_t i) {
    const Piece& piece = work.pieces[static_cast<size_t>(i)];
    const auto run = [&](auto width) {
      run_piece(shape, width, piece, queries.data(), k, v, partials.data() + piece.partial);
    };
    if (shape.width == 64)
      run(std::integral_constant<int64_t, 64>());
    else if (shape.width == 128)
      run(std::integral_constant<int64_t, 128>());
    else
      run(shape.width);
  });
  std::vector<std::vector<const Partial*>> of_head(static_cast<size_t>(shape.batch * shape.heads));
  for (const Piece& piece : work.pieces)
    for (int64_t i = 0; i < piece.count; ++i)
      of_head[static_cast<size_t>(piece.batch * shape.heads + piece.first + i)].push_back(
          &partials[static_cast<size_t>(piece.partial + i)]);
  for (int64_t b = 0; b < shape.batch; ++b)
    for (int64_t head = 0; head < shape.heads; ++head)
      finish_head(shape, b, head, of_head[static_cast<size_t>(b * shape.heads + head)], result.out.data<T>(),
                  result.log_sum_exp.data<float>());
}

}  // namespace

void attention_forward_row(const AttentionInput& in, AttentionOutput& result) {
  in.q.dtype() == DType::bf16 ? forward<bf16>(in, result) : forward<float>(in, result);
}

}  // namespace scca::cpu

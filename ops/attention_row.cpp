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

/// Some keys that heads [first, first + count) see, which look alike.
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
  for (int64_t b = 0; b < shape.batch; ++b)
    for (int64_t head = 0; head < shape.heads;) {
      const HeadPlan& own = *plan.heads[static_cast<size_t>(head)];
      int64_t alike = head + 1;
      while (alike < shape.heads && plan.heads[static_cast<size_t>(alike)].get() == &own) ++alike;
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

/// Keys that a head takes with one reference for all, and those that lie between what is read and what is
/// asked for.
constexpr int64_t kTogether = 64, kKeysAhead = 32;

/// Rows to ask for, each whole, one whenever all heads have read another key.
template <class T>
struct KeysAhead {
  const T* row;
  int64_t left, stride, width, heads, read = 0;

  void after_key(int64_t by_heads) {
    read += by_heads;
    if (read < heads || left == 0) return;
    read -= heads;
    --left;
    prefetch(row, width);
    row += stride;
  }
};

/// Up to a register of keys of one key head, or their values; and what to ask for while they are read.
template <class T>
struct SomeKeys {
  const T* rows;
  int64_t stride, count;
  KeysAhead<T>* ahead;
};

/// Scores of some keys for `heads` queries that share them, -inf in the lanes beyond. Each key is loaded
/// once.
template <int heads, class T>
[[gnu::always_inline]] inline void make_scores(const float* queries, const SomeKeys<T>& keys, int64_t width,
                                               float* scores) {
  floats products[heads][simd::kWidth];
  for (int64_t key = 0; key < keys.count; ++key) {
    floats sums[heads] = {};
#pragma GCC unroll 16
    for (int64_t i = 0; i < width; i += simd::kWidth) {
      const floats part = part_of(keys.rows + key * keys.stride, i, width);
#pragma GCC unroll 16
      for (int head = 0; head < heads; ++head)
        sums[head] = simd::fma(part_of(queries + head * width, i, width), part, sums[head]);
    }
    for (int head = 0; head < heads; ++head) products[head][key] = sums[head];
    keys.ahead->after_key(heads);
  }
  for (int head = 0; head < heads; ++head) {
    for (int64_t key = keys.count; key < simd::kWidth; ++key)
      products[head][key] = simd::broadcast(kNegativeInfinity);
    simd::store(scores + head * kTogether, simd::sum_rows(products[head]));
  }
}

/// Adds some values by each head's weights to its output, `padded` floats behind the one before: `registers`
/// of them from `first` on, side by side, since each sum waits for the one before.
template <int heads, int registers, class T>
[[gnu::always_inline]] inline void add_parts(const float* weights, const SomeKeys<T>& values, int64_t first,
                                             int64_t width, float* outs, int64_t padded) {
  floats sums[heads][registers];
#pragma GCC unroll 16
  for (int i = 0; i < heads * registers; ++i)
    sums[i / registers][i % registers] =
        simd::load(outs + i / registers * padded + first + i % registers * simd::kWidth);
  for (int64_t key = 0; key < values.count; ++key) {
#pragma GCC unroll 16
    for (int r = 0; r < registers; ++r) {
      const floats part = part_of(values.rows + key * values.stride, first + r * simd::kWidth, width);
#pragma GCC unroll 16
      for (int head = 0; head < heads; ++head)
        sums[head][r] = simd::fma(simd::broadcast(weights[head * kTogether + key]), part, sums[head][r]);
    }
    if (first == 0) values.ahead->after_key(heads);
  }
#pragma GCC unroll 16
  for (int i = 0; i < heads * registers; ++i)
    simd::store(outs + i / registers * padded + first + i % registers * simd::kWidth,
                sums[i / registers][i % registers]);
}

template <int heads, class T>
[[gnu::always_inline]] inline void add_values(const float* weights, const SomeKeys<T>& values, int64_t width,
                                              float* outs, int64_t padded) {
  constexpr int side_by_side = 4;
  int64_t i = 0;
  for (; i + side_by_side * simd::kWidth <= width; i += side_by_side * simd::kWidth)
    add_parts<heads, side_by_side>(weights, values, i, width, outs, padded);
  for (; i < width; i += simd::kWidth) add_parts<heads, 1>(weights, values, i, width, outs, padded);
}

/// Calls some(n) for the constant n of heads, at most `count`, that share a load of a key: as many as have
/// their sums in registers.
template <int most = simd::kRegisters == 32 ? 4 : 2, class Some>
int64_t with_heads(int64_t count, const Some& some) {
  if constexpr (most > 1) {
    if (count < most) return with_heads<most - 1>(count, some);
  }
  some(std::integral_constant<int, most>());
  return most;
}

/// What scores are taken from: where all are -inf, any number makes their weights 0.
float finite(float reference) { return reference == kNegativeInfinity ? 0.0f : reference; }

/// Makes weights of kTogether scores of a head, and takes them into what it knows.
void take_scores(Partial& head, float* scores, int64_t padded) {
  floats top = simd::broadcast(head.reference);
  for (int64_t i = 0; i < kTogether; i += simd::kWidth) top = simd::max(top, simd::load(scores + i));
  const float most = simd::reduce_max(top), from = finite(most);
  floats sum = {};
  for (int64_t i = 0; i < kTogether; i += simd::kWidth) {
    const floats weights = simd::exp2_softmax(simd::load(scores + i) - simd::broadcast(from));
    simd::store(scores + i, weights);
    sum += weights;
  }
  if (most > head.reference) {
    const float shrink = std::exp2(head.reference - from);  // 0 at first: 2^-inf
    head.sum *= shrink;
    for (int64_t i = 0; i < padded; i += simd::kWidth)
      simd::store(head.out + i, simd::load(head.out + i) * shrink);
    head.reference = most;
  }
  head.sum += simd::reduce_sum(sum);
}

/// `width` is the shape's: a constant in the usual ones, whose loops are then laid out flat.
///
/// All heads read some keys, one after the other, before the next keys, and meanwhile the rows of keys
/// further on are asked for as they lie. The hardware reads ahead of nobody who takes one head's part of each
/// row and passes over the rest, as a head alone does (and prefetches of those parts, into the first cache,
/// changed nothing).
template <class T, class Width>
void run_piece(const AttentionShape& shape, Width width, const Piece& piece, const float* queries,
               int64_t padded, const T* k, const T* v, Partial* partials) {
  const int64_t stride = shape.key_heads * shape.width * piece.keys.step,
                sharing = shape.heads / shape.key_heads, first_key_head = shape.key_head(piece.first),
                row = (shape.key_head(piece.first + piece.count - 1) + 1 - first_key_head) * shape.width;
  queries += (piece.batch * shape.heads + piece.first) * shape.width;
  Scratch scratch(piece.count * kTogether);
  float* weights = scratch.take(piece.count * kTogether);
  for (int64_t done = 0; done < piece.keys.count; done += kTogether) {
    const int64_t left = piece.keys.count - done, count = std::min(kTogether, left);
    // each(heads, i, their weights, some keys): for heads first + i on, a constant number of them
    const auto for_each_head = [&](const T* all, const auto& each) {
      for (int64_t key = 0; key < count; key += simd::kWidth) {
        const T* rows = all + shape.key_row(piece.batch, piece.keys.at(done + key), first_key_head);
        const int64_t next = std::clamp<int64_t>(left - key - kKeysAhead, 0, simd::kWidth);
        KeysAhead<T> ahead{rows + kKeysAhead * stride, next, stride, row, piece.count};
        for (int64_t i = 0; i < piece.count;) {
          const int64_t key_head = shape.key_head(piece.first + i);
          const int64_t end = std::min(piece.count, (key_head + 1) * sharing - piece.first);
          const SomeKeys<T> keys{rows + (key_head - first_key_head) * shape.width, stride,
                                 std::min<int64_t>(simd::kWidth, count - key), &ahead};
          i += with_heads(end - i, [&](auto heads) { each(heads, i, weights + i * kTogether + key, keys); });
        }
      }
    };
    std::fill_n(weights, piece.count * kTogether, kNegativeInfinity);
    for_each_head(k, [&](auto heads, int64_t i, float* scores, const SomeKeys<T>& keys) {
      make_scores<heads>(queries + i * shape.width, keys, width, scores);
    });
    for (int64_t i = 0; i < piece.count; ++i) take_scores(partials[i], weights + i * kTogether, padded);
    for_each_head(v, [&](auto heads, int64_t i, const float* some_weights, const SomeKeys<T>& values) {
      add_values<heads>(some_weights, values, width, partials[i].out, padded);
    });
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
      run_piece(shape, width, piece, queries.data(), padded, k, v, partials.data() + piece.partial);
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

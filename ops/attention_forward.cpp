#include <cmath>

#include "core/parallel.h"
#include "ops/attention.h"
#include "ops/attention_block.h"

namespace scca::cpu {
namespace {

using simd::floats;

/// A block of queries in one batch row and head.
struct Task {
  int64_t batch, head;
  QueryBlock block;
};

/// The queries at or after `first`, in blocks; the costly last ones come first, so that threads end together.
std::vector<Task> tasks_of(const AttentionPlan& plan, int64_t batch, int64_t first) {
  std::vector<Task> tasks;
  for (int64_t b = 0; b < batch; ++b)
    for (size_t head = 0; head < plan.heads.size(); ++head)
      for (const QueryBlock& block : query_blocks(*plan.heads[head], first))
        tasks.push_back({b, static_cast<int64_t>(head), block});
  std::reverse(tasks.begin(), tasks.end());
  return tasks;
}

/// Where runs of tasks end, each the work of one thread: short tasks together, so that the thread knows what
/// comes next, but in no fewer than four runs a thread.
std::vector<size_t> run_ends(const std::vector<Task>& tasks) {
  int64_t queries = 0;
  for (const Task& task : tasks) queries += task.block.queries.count;
  const int64_t most = std::min(kMaxQueries, queries / (4 * thread_count()));
  std::vector<size_t> ends;
  int64_t run = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    run += tasks[i].block.queries.count;
    if (i + 1 < tasks.size() && run + tasks[i + 1].block.queries.count <= most) continue;
    ends.push_back(i + 1);
    run = 0;
  }
  return ends;
}

/// What is known of a group of queries after some of its keys: with reference r (about the largest score),
/// sum = sum of 2^(s - r) and O^T = sum of 2^(s - r) v. Scores are in units of log 2.
struct Group {
  float reference[kLanes], sum[kLanes];
  float* out;         // [width][lanes]
  bool empty = true;  // no key was met: nothing is in `out`
};

/// Turns the scores of `keys` keys into weights 2^(factor s - r), with r raised where a score exceeds it, and
/// brings what was summed before to the new r. Floats stay where they are: their scores have the factor
/// already.
template <class F>
void update(Group& group, float* scores, int64_t keys, int64_t width, float factor, F* weights) {
  constexpr bool paired = kTerms<F> == 2;
  for (int64_t part = 0; part < kLanes; part += simd::kWidth) {
    const floats before = simd::load(group.reference + part);
    floats most = paired ? simd::broadcast(kNegativeInfinity) : before;
    for (int64_t key = 0; key < keys; ++key) most = simd::max(simd::load(scores + key * kLanes + part), most);
    if (paired) most = simd::max(most * factor, before);
    // A query that has seen no key yet: any finite reference makes its weights 2^-inf = 0.
    const floats reference = simd::select(most == simd::broadcast(kNegativeInfinity), floats{}, most);
    const floats shrink = simd::exp2_softmax(before - reference);
    floats sum = simd::load(group.sum + part) * shrink;
    for (int64_t key = 0; key < keys; key += kTerms<F>) {
      floats weight[kTerms<F>] = {};
      for (int64_t term = 0; term < std::min(kTerms<F>, keys - key); ++term) {
        const floats score = simd::load(scores + (key + term) * kLanes + part);
        weight[term] = simd::exp2_softmax(paired ? simd::fma(score, simd::broadcast(factor), -reference)
                                                 : score - reference);
        sum += weight[term];
      }
      F* const to = weights + key / kTerms<F> * kLanes + part;
      if constexpr (paired)
        simd::store(to, simd::round_to_pairs(weight[0], weight[1]));
      else
        simd::store(to, weight[0]);
    }
    simd::store(group.reference + part, most);
    simd::store(group.sum + part, sum);
    bool changed = false;
    for (int i = 0; i < simd::kWidth; ++i) changed |= shrink[i] != 1.0f;
    if (!changed || group.empty) continue;
    for (int64_t i = 0; i < width; ++i) {
      float* at = group.out + i * kLanes + part;
      simd::store(at, simd::load(at) * shrink);
    }
  }
}

template <class T>
struct Arguments {
  AttentionShape shape;
  bool causal;
  float scale;
  const T *q, *k, *v;
  T* out;
  float* log_sum_exp;
};

/// Asks for what is touched after the products of a block of keys: the keys that the walk comes to next, or
/// else the rows that the task writes and the first ones that the following task reads.
template <class T>
void ask_ahead(const Arguments<T>& args, const Task& task, const KeyWalk& walk, const Task* following,
               RowsAhead& ahead) {
  const auto keys_of = [&](const Task& of, const KeyWalk& next) {
    return ask_for_keys(args.shape, of.batch, args.shape.key_head(of.head), next, args.k, args.v, ahead);
  };
  const auto queries_of = [&](const Task& of, const T* rows) {
    ask_for_queries(args.shape, of.batch, of.head, of.block.queries, rows, ahead);
  };
  ahead.clear();
  if (keys_of(task, walk)) return;
  queries_of(task, args.out);
  if (!following) return;
  queries_of(*following, args.q);
  keys_of(*following, KeyWalk(following->block, args.causal));
}

/// Rows of out and their log-sum-exps, from what all keys have summed.
template <class T>
void store_group(const Arguments<T>& args, const Task& task, int64_t first, const Group& group) {
  const AttentionShape& shape = args.shape;
  const Slice& queries = task.block.queries;
  const int64_t some = std::min(kLanes, queries.count - first);
  if (group.empty) std::fill(group.out, group.out + kLanes * shape.width, 0.0f);
  float inverse[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) inverse[i] = group.sum[i] == 0 ? 0.0f : 1.0f / group.sum[i];
  transpose_out(group.out, some, shape.width, inverse,
                args.out + shape.query_row(task.batch, queries.at(first), task.head),
                queries.step * shape.heads * shape.width);
  for (int64_t i = 0; i < some; ++i)
    args.log_sum_exp[shape.statistic(task.batch, queries.at(first + i), task.head)] =
        static_cast<float>((group.reference[i] + std::log2(group.sum[i])) / kLog2E);
}

/// `following`: what this thread does next; null: not known.
template <class T>
void forward_block(const Arguments<T>& args, const Task& task, const Task* following, RowsAhead& ahead) {
  using F = FactorOf<T>;
  constexpr int64_t terms = kTerms<F>;
  const AttentionShape& shape = args.shape;
  const int64_t width = shape.width, length = width / terms;
  const Slice& queries = task.block.queries;
  const int64_t count = queries.count, groups = (count + kLanes - 1) / kLanes;
  const int64_t query_stride = queries.step * shape.heads * width;
  const int64_t first_row = shape.query_row(task.batch, queries.start, task.head);
  const int64_t key_head = shape.key_head(task.head);

  Scratch scratch((2 * kMaxQueries + 2 * kMaxKeys) * width + 2 * kMaxKeys * kLanes);
  F* q_transposed = scratch.take<F>(kMaxQueries * length);  // [group][length][kLanes]
  float* sums = scratch.take(kMaxQueries * width);          // [group][width][kLanes]
  F* k_block = scratch.take<F>(kMaxKeys * length);          // [key][length]
  F* v_block = scratch.take<F>(kMaxKeys / terms * width);   // [key / terms][width]
  float* scores = scratch.take(kMaxKeys * kLanes);          // [key][kLanes]
  F* weights = terms == 1 ? reinterpret_cast<F*>(scores) : scratch.take<F>(kMaxKeys / terms * kLanes);

  Group group[kMaxQueries / kLanes];
  for (int64_t g = 0; g < groups; ++g) {
    std::fill(group[g].reference, group[g].reference + kLanes, kNegativeInfinity);
    std::fill(group[g].sum, group[g].sum + kLanes, 0.0f);
    group[g].out = sums + g * kLanes * width;
    transpose_in(args.q + first_row + g * kLanes * query_stride, query_stride,
                 std::min(kLanes, count - g * kLanes), width, args.scale, q_transposed + g * kLanes * length);
  }

  KeyWalk walk(task.block, args.causal);
  for (KeyBlock block; walk.next(block);) {
    load_keys<T, F>(shape, task.batch, key_head, block, args.k, args.v, {.k = k_block, .v_across = v_block});
    ask_ahead(args, task, walk, following, ahead);
    for (int64_t g = 0; g < groups; ++g) {
      const auto [seen, end] = block.seen_by(g * kLanes, (g + 1) * kLanes);
      if (seen == end) continue;
      const int64_t begin = seen / terms * terms, keys = end - begin;
      multiply<false, F>({.rows = keys, .depth = length},
                         {.data = k_block + begin * length, .row = length, .step = 1},
                         {.data = q_transposed + g * kLanes * length, .row = kLanes},
                         {.data = scores + begin * kLanes, .row = kLanes}, ahead);
      if (!block.whole) mask(block, begin, end, g * kLanes, scores, kLanes);
      F* const seen_weights = weights + begin / terms * kLanes;
      update(group[g], scores + begin * kLanes, keys, width, args.scale, seen_weights);
      const auto add_values = group[g].empty ? multiply<false, F> : multiply<true, F>;
      add_values({.rows = width, .depth = (keys + terms - 1) / terms},
                 {.data = v_block + begin / terms * width, .row = 1, .step = width},
                 {.data = seen_weights, .row = kLanes}, {.data = group[g].out, .row = kLanes}, ahead);
      group[g].empty = false;
    }
  }

  for (int64_t g = 0; g < groups; ++g) store_group(args, task, g * kLanes, group[g]);
}

template <class T>
void forward(const AttentionInput& in, AttentionOutput& result) {
  const Arguments<T> args{AttentionShape(in.q, in.k),
                          in.plan.causal,
                          static_cast<float>(in.scale * kLog2E),
                          in.q.data<T>(),
                          in.k.data<T>(),
                          in.v.data<T>(),
                          result.out.data<T>(),
                          result.log_sum_exp.data<float>()};
  const std::vector<Task> tasks = tasks_of(in.plan, args.shape.batch, args.shape.first_query());
  const std::vector<size_t> ends = run_ends(tasks);
  parallel_tasks(std::ssize(ends), [&](int64_t run) {
    RowsAhead ahead;
    for (size_t task = run == 0 ? 0 : ends[run - 1]; task < ends[run]; ++task)
      forward_block(args, tasks[task], task + 1 < ends[run] ? &tasks[task + 1] : nullptr, ahead);
  });
}

}  // namespace

void attention_forward(const AttentionInput& in, AttentionOutput& result, AttentionWorkspace&) {
  if (in.q.size(1) == 1 && in.q.dtype() != DType::f64) return attention_forward_row(in, result);
  switch (in.q.dtype()) {
    case DType::f32:
      return forward<float>(in, result);
    case DType::bf16:
      return forward<bf16>(in, result);
    default:
      return attention_forward_rows(in, result);
  }
}

}  // namespace scca::cpu

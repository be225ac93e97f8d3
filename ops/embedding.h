#pragma once
// Token ids to vectors.
#include <vector>

#include "core/dispatch.h"
#include "core/tensor.h"

namespace scca {

/// y[..., :] = table[ids[...], :]: ids i32 of any shape, on the CPU; table [V, D] of dtype `out`, f32 or a
/// block dtype; y [..., D] of dtype `out`, on the table's device. Only the table has a gradient: a row's is
/// the sum over its tokens in their order. Throws Error naming an id outside [0, V) and where it stands.
Tensor embedding(const Tensor& ids, const Tensor& table_VD, DType out);

/// The tokens of a text by their id: those of ids[r] stand at positions[begins[r] ... begins[r + 1] - 1], in
/// the order of the text. Ids that do not occur have no run.
struct TokenRuns {
  std::vector<int32_t> positions, begins, ids;
};

/// What backward writes beside dtable on CUDA, where runs of more than kMostTerms are summed in parts: the
/// lists of sums, and the parts. As large as any text of so many tokens needs, so that a plan knows it
/// without the text. Empty on the CPU.
struct EmbeddingWorkspace {
  Tensor lists, parts;
};
inline constexpr int32_t kMostTerms = 64;  // that one thread adds
EmbeddingWorkspace embedding_workspace(int64_t tokens, const Tensor& dtable);

/// forward: ids on the table's device. backward: all of dtable is written, rows without a run with zeros.
SCCA_KERNELS(void embedding_forward(const Tensor& ids, const Tensor& table, Tensor& y);
             void embedding_backward(const TokenRuns& runs, const Tensor& dy, Tensor& dtable,
                                     EmbeddingWorkspace& workspace);)

}  // namespace scca

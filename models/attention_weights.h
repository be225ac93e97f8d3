#pragma once
// The weights of one head, for who wants to look at them: no kernel ever stores them (ops/attention.h).
#include <cstdint>
#include <optional>
#include <vector>

#include "models/llama.h"

namespace scca {

/// softmax over the keys j that query i sees of q_i . k_j / sqrt(K), for one head of one layer and a text of
/// T tokens: [T, T] in rows of queries, in f64 from the queries and keys that the model's dtype gives. NaN
/// where the query does not see the key, under `attention` or, empty, the model's own. Throws Error for a
/// layer or a head that is not there, and for no tokens.
std::vector<double> attention_weights(const Llama& model, const std::vector<int32_t>& ids, int64_t layer,
                                      int64_t head, const std::optional<AttentionSpec>& attention = {});

}  // namespace scca

#pragma once
// PoSE (Zhu et al., arXiv 2309.10400): positional skip-wise training. A model learns the positions of a long
// text on rows of a short window under full attention: each row is cut in two, and the second part's
// positions begin behind a gap, so that differences up to the long text's occur, at the short rows' cost.
#include <cstdint>
#include <vector>

#include "train/data/data.h"

namespace scca {

struct TrainSettings;

/// Positions of a row of `tokens` in a text of `length`: t for t < cut, gap + t for the others. Cut is
/// uniform in 1 .. tokens - 1 and gap in 0 .. length - tokens (the paper's u_1 with two parts). Two things
/// are our reading: the tokens stay consecutive (v_1 = 0), where the authors' code takes the second part from
/// further on in the text, and the cut may lie anywhere, where theirs lies in the first half. A pure function
/// of the seed and the row's place in the order of training (0, 1, ... over all epochs), so that a resumed
/// run goes on as it would have. Throws Error for fewer than 2 tokens or a shorter text.
std::vector<int64_t> pose_positions(uint64_t seed, int64_t place, int64_t tokens, int64_t length);

/// Gives the batch's rows, which stand at `first_place`, ... in the order of training, their positions, where
/// the settings say pose.
void place_rows(RowBatch& batch, const TrainSettings& train, int64_t first_place);

/// Throws UsageError, by its flag, for what pose lacks or does not go with.
void check_pose(const TrainSettings& train);

}  // namespace scca

#include "train/run/pose.h"

#include "core/check.h"
#include "core/random.h"
#include "train/run/settings.h"

namespace scca {
namespace {

/// Uniform in 0 .. count - 1: 64 bits to a number of at most 31 are even to one part in 2^33.
int64_t uniform_below(uint32_t high, uint32_t low, int64_t count) {
  const uint64_t bits = (uint64_t{high} << 32) | low;
  return static_cast<int64_t>(bits % static_cast<uint64_t>(count));
}

}  // namespace

std::vector<int64_t> pose_positions(uint64_t seed, int64_t place, int64_t tokens, int64_t length) {
  SCCA_CHECK(tokens >= 2 && length >= tokens, "pose: a row of ", tokens, " tokens in a text of ", length,
             ", expected at least 2 tokens and a text as long");
  // A key of its own: dropout and the order of rows draw from philox(seed, ...) too.
  const Philox bits = philox(seed ^ 0x706f73652d726f77u, static_cast<uint64_t>(place));
  const int64_t cut = 1 + uniform_below(bits[0], bits[1], tokens - 1);
  const int64_t gap = uniform_below(bits[2], bits[3], length - tokens + 1);
  std::vector<int64_t> positions(static_cast<size_t>(tokens));
  for (int64_t t = 0; t < tokens; ++t) positions[static_cast<size_t>(t)] = t < cut ? t : gap + t;
  return positions;
}

void place_rows(RowBatch& batch, const TrainSettings& train, int64_t first_place) {
  if (train.positions != "pose") return;
  batch.length = train.trained_length();
  for (int64_t row = 0; row < batch.ids.size(0); ++row) {
    const std::vector<int64_t> own =
        pose_positions(train.seed, first_place + row, batch.ids.size(1), batch.length);
    batch.positions.insert(batch.positions.end(), own.begin(), own.end());
  }
}

void check_pose(const TrainSettings& train) {
  if (train.positions != "pose") {
    if (train.target_context > 0)
      fail<UsageError>("--target-context ", train.target_context,
                       " goes with --positions pose alone; without it a run is made for its --context");
    return;
  }
  if (train.target_context < train.context)
    fail<UsageError>("--positions pose with --target-context ", train.target_context, " and --context ",
                     train.context, ": expected the tokens of the long text, at least the rows' --context");
  if (train.pack == "documents")
    fail<UsageError>(
        "--positions pose and --pack documents: a row is one text with one gap; use --pack rows");
}

}  // namespace scca

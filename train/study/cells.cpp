#include "train/study/cells.h"

#include "core/check.h"
#include "train/report/csv.h"

namespace scca {
namespace {

/// The lines of one row and seed.
class Lines {
 public:
  Lines(std::string& csv, const StudyRow& row, std::string seed)
      : csv_(csv), row_(row), seed_(std::move(seed)) {}
  void add(const std::string& quantity, double value, const std::string& length = "",
           const std::string& depth = "") {
    csv_ +=
        csv_line({row_.name, row_.trained ? "1" : "0", seed_, quantity, length, depth, csv_number(value)});
  }

 private:
  std::string& csv_;
  const StudyRow& row_;
  std::string seed_;
};

void add_seed(Lines lines, const Study& study, const StudyResult& seed) {
  const std::string longest = std::to_string(study.settings.lengths.back());
  for (const auto& [length, perplexity] : seed.perplexity)
    lines.add("perplexity", perplexity, std::to_string(length));
  if (seed.own) lines.add("own_perplexity", *seed.own, longest);
  if (seed.at_mark) lines.add("perplexity_at_mark", *seed.at_mark, longest);
  for (const RetrievalCell& cell : seed.passkey.cells)
    lines.add("passkey", cell.score, std::to_string(cell.length),
              cell.depth ? std::to_string(*cell.depth) : "");
  for (const RecallAtDistance& at : seed.recall.by_distance)
    lines.add("recall_gain", at.gain.mean, std::to_string(at.distance));
  if (!seed.training) return;
  lines.add("tokens_per_s", seed.training->tokens_per_s);
  lines.add("peak_bytes", seed.training->peak_bytes);
}

}  // namespace

std::string study_csv(const Study& study, const std::vector<StudyRowResult>& results) {
  std::string csv = csv_line({"row", "trained", "seed", "quantity", "length", "depth", "value"});
  for (const StudyRowResult& row : results) {
    for (size_t k = 0; k < row.seeds.size(); ++k) {
      const std::string seed =
          row.row->trained ? std::to_string(study.settings.finetune.train.seed + k) : std::string();
      add_seed(Lines(csv, *row.row, seed), study, row.seeds[k]);
    }
    Lines plan(csv, *row.row, "");
    if (row.row->trained) plan.add("attention_flops", row.row->attention_flops);
    plan.add("visible_share", row.visible_share, std::to_string(study.context()));
  }
  return csv;
}

}  // namespace scca

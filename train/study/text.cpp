#include "train/study/text.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "train/report/table.h"

namespace scca {

double own_perplexity(const StudyResult& seed) { return seed.own.value(); }
double perplexity_at_mark(const StudyResult& seed) { return seed.at_mark.value(); }
double longest_perplexity(const StudyResult& seed) { return seed.perplexity.rbegin()->second; }

double passkey_share(const StudyResult& seed, int64_t length) {
  for (const RetrievalCell& cell : seed.passkey.by_length())
    if (cell.length == length) return cell.score;
  fail("study: no passkey of ", length, " tokens was asked for");
}

const StudyRowResult& reference_row(const std::vector<StudyRowResult>& results) {
  if (const StudyRowResult* full = find_pattern(results, "full")) return *full;
  return *std::ranges::find_if(results, [](const StudyRowResult& row) { return row.row->trained; });
}

const StudyRowResult* find_pattern(const std::vector<StudyRowResult>& results, const std::string& pattern) {
  for (const StudyRowResult& row : results)
    if (row.row->trained && row.row->name.substr(0, row.row->name.find('(')) == pattern) return &row;
  return nullptr;
}

RowDifference difference(const StudyRowResult& row, const StudyRowResult& reference) {
  std::vector<double> means;
  SeedSums a, b;
  for (size_t k = 0; k < row.seeds.size(); ++k) {
    const StudyResult& other = reference.seeds[std::min(k, reference.seeds.size() - 1)];
    a.push_back(sums_of(read_losses(row.seeds[k].losses)));
    b.push_back(sums_of(read_losses(other.losses)));
    means.push_back(paired_difference({a.back()}, {b.back()}).mean);
  }
  return {spread(means), paired_difference(a, b)};
}

RowRanking rank_rows(const std::vector<StudyRowResult>& results) {
  RowRanking ranked;
  std::vector<SeedSums> models;
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    ranked.names.push_back(row.row->name);
    SeedSums& seeds = models.emplace_back();
    for (const StudyResult& seed : row.seeds) seeds.push_back(sums_of(read_losses(seed.losses)));
  }
  ranked.ranking = rank_models(models);
  return ranked;
}

std::string text_of(const Spread& s, int digits) {
  const std::string mean = fixed(s.mean, digits);
  return s.count < 2 ? mean : concat(mean, " (", fixed(s.low, digits), " to ", fixed(s.high, digits), ")");
}

std::string text_of(const RowDifference& d) {
  const Spread& s = d.over_seeds;
  const std::string mean = concat(with_sign(s.mean, 3), " ± ", fixed(d.paired.standard_error, 3));
  return s.count < 2 ? mean : concat(mean, " (", with_sign(s.low, 3), " to ", with_sign(s.high, 3), ")");
}

std::string percent(double share) { return fixed(100 * share, share < 0.995 && share > 0 ? 1 : 0) + " %"; }

std::string percent_text(const Spread& s) {
  const std::string mean = fixed(100 * s.mean, 0) + " %";
  return s.count < 2 || s.low == s.high
             ? mean
             : concat(mean, " (", fixed(100 * s.low, 0), " to ", fixed(100 * s.high, 0), ")");
}

}  // namespace scca

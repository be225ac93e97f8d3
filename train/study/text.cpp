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

bool names_layers(const std::string& spec) { return spec.find_first_of("@;") != std::string::npos; }

const StudyRowResult* find_pattern(const std::vector<StudyRowResult>& results, const std::string& pattern) {
  const StudyRowResult* variant = nullptr;
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    if (row.row->name == pattern) return &row;
    if (!variant && !names_layers(row.row->name) &&
        row.row->name.substr(0, row.row->name.find('(')) == pattern)
      variant = &row;
  }
  return variant;
}

namespace {

SeedSums sums_of_seeds(const StudyRowResult& row) {
  SeedSums sums;
  for (const StudyResult& seed : row.seeds) sums.push_back(sums_of(read_losses(seed.losses)));
  return sums;
}

}  // namespace

RowDifference difference(const StudyRowResult& row, const StudyRowResult& reference) {
  const SeedSums a = sums_of_seeds(row), b = sums_of_seeds(reference);
  const auto seed = [](const SeedSums& seeds, size_t k) {  // one without seeds is beside each
    return SeedSums{seeds[std::min(k, seeds.size() - 1)]};
  };
  std::vector<double> means;
  for (size_t k = 0; k < std::max(a.size(), b.size()); ++k)
    means.push_back(paired_difference(seed(a, k), seed(b, k)).mean);
  return {spread(means), paired_difference(a, b)};
}

RowRanking rank_rows(const std::vector<StudyRowResult>& results) {
  RowRanking ranked;
  std::vector<SeedSums> models;
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    ranked.names.push_back(row.row->name);
    models.push_back(sums_of_seeds(row));
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

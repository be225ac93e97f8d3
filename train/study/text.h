#pragma once
// What the tables, pictures and sentences of a study's page take from its results, and how they write it.
#include <string>
#include <vector>

#include "train/evaluation/comparison.h"
#include "train/study/order.h"
#include "train/study/results.h"

namespace scca {

double own_perplexity(const StudyResult& seed);
double perplexity_at_mark(const StudyResult& seed);
double longest_perplexity(const StudyResult& seed);
/// Of the passkeys of this length, over all depths.
double passkey_share(const StudyResult& seed, int64_t length);

/// The row that the others are compared with: the pattern full, or the first one.
const StudyRowResult& reference_row(const std::vector<StudyRowResult>& results);
/// True for a spec of more than one pattern or of a plan file: "full@0;local", "@plan.json".
bool names_layers(const std::string& spec);
/// The trained row of this pattern in all layers: as it is, else the first with parameters; null when there
/// is none.
const StudyRowResult* find_pattern(const std::vector<StudyRowResult>& results, const std::string& pattern);

/// Row less reference, nats a token at the longest length, paired token by token and seed by seed
/// (train/evaluation/comparison.h).
struct RowDifference {
  Spread over_seeds;
  PairedDifference paired;
};
RowDifference difference(const StudyRowResult& row, const StudyRowResult& reference);

/// The trained rows at the longest length, in order.
RowRanking rank_rows(const std::vector<StudyRowResult>& results);

/// "78.0", over several seeds "78.0 (77.7 to 78.1)".
std::string text_of(const Spread& spread, int digits);
/// "+0.007 ± 0.001", over several seeds "+0.007 ± 0.001 (+0.005 to +0.009)".
std::string text_of(const RowDifference& difference);
/// 0.314: "31 %".
std::string percent(double share);
/// "80 %", over several seeds "80 % (60 to 100)".
std::string percent_text(const Spread& spread);

}  // namespace scca

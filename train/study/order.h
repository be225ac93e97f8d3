#pragma once
// Whether the order of what was compared is settled, as a page says it.
#include <string>
#include <vector>

#include "train/evaluation/comparison.h"
#include "train/report/document.h"

namespace scca {

struct RowRanking {
  std::vector<std::string> names = {};  // of what Ranking's indices mean
  Ranking ranking = {};
};

/// How order_table is to be read.
extern const char* const kOrderHelp;
/// For each two neighbours in the order whether it is settled; without rows when there is one model.
Table order_table(const RowRanking& ranked);
/// The same in a sentence, and what the standard errors are over. Of two models or more;
/// of those that were trained, that one seed is no more than one.
Paragraph order_reading(const RowRanking& ranked, bool trained = true);

/// "+0.007", "−0.012".
std::string with_sign(double value, int digits);
/// "+0.0070 ± 0.0010"; "+0.0070 (± unknown)" of a single cluster.
std::string text_of(const PairedDifference& difference);

}  // namespace scca

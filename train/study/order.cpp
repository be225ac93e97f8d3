#include "train/study/order.h"

#include <cmath>

#include "core/check.h"
#include "train/report/table.h"

namespace scca {

const char* const kOrderHelp =
    R"(By their loss at the longest length, each beside the next. The standard
error is of another draw of the texts' documents and, where there are several, of seeds: crossed random effects. p is Holm's, over
all pairs of them: which of them are neighbours was read off the same losses. The probability is the share of 2000 draws of
documents and seeds, with replacement, that have the two in this order. Settled is what has p below 0.05.)";

std::string with_sign(double value, int digits) {
  return (value < 0 ? "−" : "+") + fixed(std::abs(value), digits);
}

std::string text_of(const PairedDifference& d) {
  return d.clusters > 1 ? concat(with_sign(d.mean, 4), " ± ", fixed(d.standard_error, 4))
                        : with_sign(d.mean, 4) + " (± unknown)";
}

Table order_table(const RowRanking& ranked) {
  Table table{
      .header = {"better", "worse", "nats between", "p, corrected", "probability of this order", "settled"}};
  for (const Neighbours& pair : ranked.ranking.neighbours)
    table.rows.push_back({ranked.names[pair.better], ranked.names[pair.worse], text_of(pair.difference),
                          pair.p < 0.0001 ? "< 0.0001" : fixed(pair.p, 4),
                          fixed(100 * pair.probability, 1) + " %", pair.settled ? "yes" : "no"});
  return table;
}

Paragraph order_reading(const RowRanking& ranked, bool trained) {
  std::string text, open;
  for (const Neighbours& pair : ranked.ranking.neighbours) {
    const std::string names =
        concat("`", ranked.names[pair.better], "` before `", ranked.names[pair.worse], "`");
    std::string& list = pair.settled ? text : open;
    list += (list.empty() ? "" : ", ") + names;
  }
  const PairedDifference& first = ranked.ranking.neighbours.at(0).difference;
  text = concat("**Settled:** ", text.empty() ? "none" : text, ". **Open:** ", open.empty() ? "none" : open,
                ". Standard errors are over ", clusters_text(first), ".");
  if (!first.over_documents)
    text +=
        " The text is one document, or losses from before documents were kept: what another text would "
        "change is not in them.";
  if (trained && first.seeds < 2) text += " There is one seed: what another one would change is not in them.";
  return {text};
}

}  // namespace scca

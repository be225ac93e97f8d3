// The tables of a study's page.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "train/evaluation/losses.h"
#include "train/report/table.h"
#include "train/study/page.h"
#include "train/study/text.h"

namespace scca {
namespace {

using Results = std::vector<StudyRowResult>;

std::string dash_unless(bool there, const std::string& text) { return there ? text : "-"; }

/// The paper's Table 2: LLaMA2-7B at 8192 tokens, perplexity on PG19 and Proof-pile.
struct PaperRow {
  const char *name, *pattern;
  double pg19, proof_pile;
};
constexpr PaperRow kPaper[] = {{"S2-Attn", "s2", 9.41, 2.96},
                               {"SCCA_fixed", "scca-fixed", 9.17, 2.88},
                               {"SCCA_flow", "scca-flow", 9.47, 2.91},
                               {"LongMixed", "longmixed", 8.73, 2.90}};

/// 1 for the lowest.
std::vector<int> ranks(const std::vector<double>& values) {
  std::vector<int> result;
  for (const double value : values)
    result.push_back(1 +
                     static_cast<int>(std::ranges::count_if(values, [&](double v) { return v < value; })));
  return result;
}

std::string ranked(double value, int rank) { return concat(fixed(value, 2), " (", rank, ")"); }

}  // namespace

Table quality_table(const Study& study, const Results& results) {
  const StudyRowResult& reference = reference_row(results);
  Table table{.header = {"row"}};
  for (const int64_t length : study.settings.lengths) table.header.push_back(std::to_string(length));
  table.header.insert(table.header.end(), {"own pattern", "nats − " + reference.row->name});
  for (const StudyRowResult& row : results) {
    std::vector<std::string> cells{row.row->name};
    for (const int64_t length : study.settings.lengths)
      cells.push_back(
          text_of(spread(over_seeds(row, [&](auto& seed) { return seed.perplexity.at(length); })), 1));
    cells.push_back(dash_unless(row.row->trained,
                                row.row->trained ? text_of(spread(over_seeds(row, own_perplexity)), 1) : ""));
    cells.push_back(dash_unless(row.row != reference.row, text_of(difference(row, reference))));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table equal_flops_table(const Study& study, const Results& results) {
  Table table{.header = {"pattern", "step", "attention TFLOP",
                         concat("perplexity at ", study.settings.lengths.back()), "after all steps",
                         "attention TFLOP then"}};
  const auto steps = study.settings.finetune.train.steps;
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    const auto tera = [&](int64_t step) {
      const double value = row.row->attention_flops * static_cast<double>(step) / 1e12;
      return fixed(value, value < 1 ? 4 : 2);
    };
    table.rows.push_back({row.row->name, concat(row.row->mark, " of ", steps), tera(row.row->mark),
                          text_of(spread(over_seeds(row, perplexity_at_mark)), 1),
                          text_of(spread(over_seeds(row, longest_perplexity)), 1), tera(steps)});
  }
  return table;
}

Table cost_table(const Study& study, const Results& results) {
  Table table{.header = {"pattern", "visible pairs", "tokens/s", "peak memory", "one layer sees"}};
  const bool reach = !results[0].reach_by_layer.empty();
  for (int64_t layer = 2; reach && layer <= study.layers; ++layer)
    table.header.push_back(concat(layer, " layers"));
  for (const StudyRowResult& row : results) {
    if (!row.row->trained) continue;
    const auto speed = over_seeds(row, [](auto& seed) { return seed.training->tokens_per_s; });
    const auto peak = over_seeds(row, [](auto& seed) { return seed.training->peak_bytes; });
    std::vector<std::string> cells{row.row->name, percent(row.visible_share), fixed(spread(speed).high, 0),
                                   fixed(spread(peak).high / 1e6, 0) + " MB", percent(row.one_layer_share)};
    for (size_t layer = 1; layer < row.reach_by_layer.size(); ++layer)
      cells.push_back(percent(row.reach_by_layer[layer]));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table passkey_table(const Study& study, const Results& results) {
  Table table{.header = {"row"}};
  for (const int64_t length : study.settings.lengths) table.header.push_back(std::to_string(length));
  for (const StudyRowResult& row : results) {
    std::vector<std::string> cells{row.row->name};
    for (const int64_t length : study.settings.lengths)
      cells.push_back(
          percent_text(spread(over_seeds(row, [&](auto& seed) { return passkey_share(seed, length); }))));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table paper_table(const Study& study, const Results& results) {
  std::vector<const PaperRow*> paper;
  std::vector<std::string> names;
  std::vector<double> pg19, proof_pile, full, own;
  for (const PaperRow& row : kPaper) {
    const StudyRowResult* ours = find_pattern(results, row.pattern);
    if (!ours) continue;
    paper.push_back(&row);
    names.push_back(ours->row->name);
    pg19.push_back(row.pg19);
    proof_pile.push_back(row.proof_pile);
    full.push_back(spread(over_seeds(*ours, longest_perplexity)).mean);
    own.push_back(spread(over_seeds(*ours, own_perplexity)).mean);
  }
  Table table{
      .header = {"pattern", "paper: PG19 (order)", "paper: Proof-pile (order)",
                 concat("ours at ", study.settings.lengths.back(), ", ", study.judged_name, " (order)"),
                 "ours, own pattern (order)"}};
  if (paper.size() < 2) return table;
  const auto a = ranks(pg19), b = ranks(proof_pile), c = ranks(full), d = ranks(own);
  for (size_t i = 0; i < paper.size(); ++i)
    table.rows.push_back({concat(paper[i]->name, ", `", names[i], "`"), ranked(pg19[i], a[i]),
                          ranked(proof_pile[i], b[i]), ranked(full[i], c[i]), ranked(own[i], d[i])});
  return table;
}

}  // namespace scca

#include "train/study/page.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/check.h"
#include "core/file.h"
#include "core/joined.h"
#include "nn/json.h"
#include "train/report/progress.h"
#include "train/report/table.h"
#include "train/study/cells.h"
#include "train/study/order.h"
#include "train/study/text.h"

namespace scca {
namespace {

using Results = std::vector<StudyRowResult>;

/// What was done, in words: enough to do it again.
Paragraph setting(const Study& study) {
  const StudySettings& s = study.settings;
  const TrainSettings& train = s.finetune.train;
  const auto trained = std::ranges::find_if(study.rows, [](const StudyRow& row) { return row.trained; });
  const std::filesystem::path run = study.folders(*trained)[0] / "config.json";
  const Json config = parse_json(read_text_file(run), run.string());
  const double tokens = static_cast<double>(train.steps * train.rows_per_step() * train.context);
  return {concat(
      "Base `", s.finetune.model.model, "`: ", study.layers, " layers, ", study.heads, " heads of ",
      study.head_dim, ", context ", study.base_context, ". Each pattern fine-tunes it to ", train.context,
      " tokens (RoPE ", config.at("rope").get<std::string>(), ", factor ",
      config.at("rope_factor").get<double>(), ") in ", train.steps, " steps of ", train.rows_per_step(),
      " rows, ", short_number(tokens), " tokens; learning rate ", train.lr, ", ", train.warmup,
      " warm-up steps, LoRA rank ", s.finetune.lora.rank, " and alpha ", s.finetune.lora.alpha,
      s.finetune.learning == std::set<std::string>{"none"}
          ? ""
          : concat(", of the base also ", joined(s.finetune.learning)),
      ". ", s.seeds, s.seeds == 1 ? " seed" : " seeds", " (row order and LoRA's start) from ", train.seed,
      " on; figures in parentheses are the lowest and highest of them. Training data: ", joined(train.data),
      ". Evaluation: the first ", train.eval_tokens, " tokens, or as many as there are, of ",
      joined(train.eval_data), ".")};
}

/// With the attention that rows are judged under between them.
const char* const kRows =
    R"(`base` is the model as it was; `base-window` the same with a sliding window of its own
context; `rope-untrained` with its positions scaled as in training and nothing learned. Perplexity is under )";
const char* const kMoreRows =
    R"(
(base-window: its window) in windows of so many tokens, and under the row's own pattern at the longest. The last column is
the loss at the longest length less that of the reference, paired token by token, with its standard error over documents and
seeds.)";

const char* const kFlops =
    R"(The second comparison: each run is stopped, judged and continued at the step at which it has
spent what the cheapest pattern's whole run spends on attention, counting 14 head widths for a visible pair. A pattern that
sees less gets more steps for the same FLOPs; what the rest of the model costs is not counted.)";

const char* const kCost =
    R"(Visible pairs and what one layer's heads see together are shares of the causal pairs; the last
columns are the share of pairs whose key can have influenced the query after so many layers. Speed is the median step's, of
the fastest seed: other work on the machine only slows.)";

const char* const kPaper =
    R"(The paper (arXiv 2312.07305, Table 2) fine-tunes LLaMA2-7B to 8192 tokens. Absolute values
cannot be compared; the order in parentheses can, 1 being the lowest perplexity. Exact offsets and head splits are our
reading of the paper.)";

const char* const kPasskey =
    "The share of five-digit keys that greedy generation gives back, over depths of 0 to 100 % of the text.";

void add_pictures(Document& page, const std::vector<Picture>& pictures, const std::string& begins) {
  for (const Picture& picture : pictures)
    if (picture.file.filename().string().starts_with(begins)) page.blocks.emplace_back(picture);
}

Document study_page(const Study& study, const Results& results, const std::vector<Picture>& pictures) {
  Document page{
      .title = concat("Attention patterns from ", study.base_context, " to ", study.context(), " tokens")};
  const auto add = [&](auto block) { page.blocks.emplace_back(std::move(block)); };
  add(setting(study));
  add(Heading{"Perplexity"});
  add(Paragraph{concat(kRows, study.judged_name, kMoreRows)});
  add(quality_table(study, results));
  for (Paragraph& paragraph : study_reading(study, results)) add(std::move(paragraph));
  add_pictures(page, pictures, "position");
  add_pictures(page, pictures, "loss");
  add_pictures(page, pictures, "recall");
  if (const RowRanking ranked = rank_rows(results); ranked.names.size() > 1) {
    add(Heading{"Is the order settled?"});
    add(Paragraph{kOrderHelp});
    add(order_table(ranked));
    add(order_reading(ranked));
  }
  add(Heading{"At the same attention FLOPs"});
  add(Paragraph{kFlops});
  add(equal_flops_table(study, results));
  add(Heading{"Cost and coverage"});
  add(Paragraph{kCost});
  add(cost_table(study, results));
  if (study.settings.passkey_trials > 0) {
    add(Heading{"Passkey"});
    add(Paragraph{kPasskey});
    add(passkey_table(study, results));
    add_pictures(page, pictures, "passkey");
  }
  if (Table paper = paper_table(study, results); !paper.rows.empty()) {
    add(Heading{"Beside the paper"});
    add(Paragraph{kPaper});
    add(std::move(paper));
  }
  add(Heading{"The patterns"});
  for (const StudyRowResult& row : results)
    if (row.row->trained) add_pictures(page, pictures, row.row->folder.filename().string() + ".png");
  return page;
}

/// The row of this name that was not trained; null when there is none.
const StudyRowResult* find_untrained(const Results& results, const std::string& name) {
  const auto found = std::ranges::find_if(
      results, [&](const StudyRowResult& row) { return !row.row->trained && row.row->name == name; });
  return found == results.end() ? nullptr : &*found;
}

/// Whether the training paid, measured against what costs none: the base behind a sliding window.
std::optional<Paragraph> window_reading(const Study& study, const Results& results,
                                        const StudyRowResult& best) {
  const StudyRowResult *window = find_untrained(results, "base-window"),
                       *stretched = find_untrained(results, "rope-untrained");
  if (!window || !stretched || study.settings.lengths.back() <= study.base_context) return std::nullopt;
  const auto at_end = [](const StudyRowResult& row) {
    return spread(over_seeds(row, longest_perplexity)).mean;
  };
  const std::string figures =
      concat(fixed(at_end(*window), 1), " beside ", fixed(at_end(best), 1), " of `", best.row->name, "`");
  if (at_end(*window) > at_end(best))
    return Paragraph{
        concat("**The extension pays here.** The untrained `base-window` (", figures,
               ") sees no further than ", study.base_context,
               " tokens; what the trained rows see beyond them helps more than their new positions cost.")};
  return Paragraph{
      concat("**Why the untrained window wins here, and when extending pays.** `base-window` (", figures,
             ") never leaves the ", study.base_context,
             " positions that the base was trained on, so it has nothing to learn. The other rows read "
             "positions that are new "
             "to the base: stretched without training it stands at ",
             fixed(at_end(*stretched), 1), ", and ", study.settings.finetune.train.steps, " steps ",
             at_end(best) < at_end(*stretched) ? "win back a part of that" : "win nothing back",
             ". Their gain can only come from tokens further back than ", study.base_context,
             ", and here they are worth less than what the stretching still costs. Extending pays when the "
             "text needs what stands "
             "far back (a key, a name, a passage seen before: no window finds them), when the model is large "
             "enough to use it, and "
             "when training goes on until the stretched positions read as well as the old ones.")};
}

}  // namespace

std::vector<Paragraph> study_reading(const Study& study, const Results& results) {
  std::vector<const StudyRowResult*> order;
  for (const StudyRowResult& row : results)
    if (row.row->trained) order.push_back(&row);
  const auto at_end = [](const StudyRowResult* row) { return spread(over_seeds(*row, longest_perplexity)); };
  std::ranges::sort(order, {}, [&](const StudyRowResult* row) { return at_end(row).mean; });
  double widest = 0;
  std::string list;
  for (const StudyRowResult* row : order) {
    widest = std::max(widest, std::log(at_end(row).high / at_end(row).low));
    list += concat(list.empty() ? "" : ", ", "`", row->row->name, "` ", fixed(at_end(row).mean, 1));
  }
  std::vector<Paragraph> reading{
      {concat("**In order** at ", study.settings.lengths.back(), ": ", list, ".")}};
  if (order.empty()) return reading;
  if (auto window = window_reading(study, results, *order[0])) reading.push_back(std::move(*window));
  if (order.size() < 2) return reading;
  const double step = std::log(at_end(order[1]).mean / at_end(order[0]).mean);
  const double all = std::log(at_end(order.back()).mean / at_end(order[0]).mean);
  std::string text = concat("From the first to the second it is ", fixed(step, 3),
                            " nats, from the first to the last ", fixed(all, 3), ".");
  if (study.settings.seeds > 1) {
    text += concat(" Seeds of one pattern lie up to ", fixed(widest, 3),
                   " nats apart, so that the first place is ", step > widest ? "beyond" : "within",
                   " what a seed does");
    text += concat(" and the whole range is ", all > widest ? "beyond" : "within", " it.");
  }
  reading.push_back({text});
  return reading;
}

std::string write_study_page(const Study& study) {
  const Results results = read_study(study);
  const Document page = study_page(study, results, draw_study(study, results));
  write_file(study.out() / "study.md", to_markdown(page));
  write_file(study.out() / "study.html", to_html(page, study.out()));
  write_file(study.out() / "study.csv", study_csv(study, results));
  return to_markdown(quality_table(study, results)) + "\n" + to_markdown(cost_table(study, results));
}

}  // namespace scca

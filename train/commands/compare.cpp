// scca compare: two models on the same tokens.
#include <iostream>
#include <memory>
#include <sstream>

#include "core/check.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/evaluation/comparison.h"
#include "train/evaluation/evaluate.h"
#include "train/evaluation/losses.h"
#include "train/report/table.h"

namespace scca {
namespace {

struct Flags {
  std::string a, b;
  bool json = false;
};

/// Both files say what was scored as words; the first that differs is what to tell.
void check_comparable(const Losses& a, const Losses& b) {
  if (a.context != b.context)
    fail<UsageError>("--context was ", a.context, " for A and ", b.context, " for B");
  std::istringstream words_a(a.data), words_b(b.data);
  for (std::string of_a, of_b; words_a >> of_a && words_b >> of_b;) {
    if (of_a != of_b) {
      fail<UsageError>("A and B did not score the same: ", of_a, " for A and ", of_b,
                       " for B; give scca eval the same data, tokenizer and window flags for both");
    }
  }
}

nlohmann::json error_json(const PairedDifference& difference) {
  return difference.clusters > 1 ? nlohmann::json(difference.standard_error) : nlohmann::json(nullptr);
}

std::string error_text(const PairedDifference& difference) {
  return difference.clusters > 1 ? fixed(difference.standard_error, 4) : "unknown";
}

int run(const Flags& flags) {
  const Losses a = read_losses(flags.a), b = read_losses(flags.b);
  check_comparable(a, b);
  const int64_t windows = a.nll.size(0), last = a.nll.size(1);
  const PairedDifference all = paired_difference(a, b);
  nlohmann::json result{{"nll_a", a.mean(0, last)},
                        {"nll_b", b.mean(0, last)},
                        {"difference", all.mean},
                        {"standard_error", error_json(all)},
                        {"tokens", all.tokens},
                        {"p", all.clusters > 1 ? nlohmann::json(all.p) : nlohmann::json(nullptr)},
                        {"windows", windows},
                        {"clusters", all.clusters},
                        {"clusters_are", all.over_documents ? "documents" : "windows"},
                        {"by_position", nlohmann::json::array()}};
  std::vector<std::vector<std::string>> table{{"position", "A", "B", "A - B", "+-"}};
  table.push_back(
      {"all", fixed(a.mean(0, last), 4), fixed(b.mean(0, last), 4), fixed(all.mean, 4), error_text(all)});
  for (int64_t position = 1; position <= last;) {
    const PositionBucket bucket = bucket_of(position);
    const int64_t from = position - 1, to = std::min(bucket.to - 1, last);  // column p is of position p + 1
    const PairedDifference part = paired_difference(a, b, from, to);
    result["by_position"].push_back({{"from", bucket.from},
                                     {"to", bucket.to},
                                     {"nll_a", a.mean(from, to)},
                                     {"nll_b", b.mean(from, to)},
                                     {"difference", part.mean},
                                     {"standard_error", error_json(part)}});
    table.push_back({concat(bucket.from, " to ", bucket.to - 1), fixed(a.mean(from, to), 4),
                     fixed(b.mean(from, to), 4), fixed(part.mean, 4), error_text(part)});
    position = bucket.to;
  }
  if (flags.json) {
    print_json(result);
  } else {
    std::cout << "nats per token over " << all.tokens << " tokens in " << windows
              << " windows; the standard error is over " << clusters_text(all) << "\n"
              << format_table(table);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  app.add_option("A", flags->a, "File of token losses, from scca eval --save-losses")->required();
  app.add_option("B", flags->b, "The same of another model, on the same data")->required();
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("compare", "Compare two models' losses token by token", set_up,
                           "scca compare base.safetensors mine.safetensors");

}  // namespace
}  // namespace scca

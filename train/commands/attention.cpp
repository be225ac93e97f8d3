// scca attention: which tokens of a text a head looks at, as a picture.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "models/attention_weights.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/ready_model.h"
#include "train/cli/text_input.h"
#include "train/data/bos.h"
#include "train/report/axis.h"
#include "train/report/canvas.h"
#include "train/report/heatmap.h"
#include "train/report/table.h"

namespace scca {
namespace {

const std::string kWhere = "before the text";
constexpr int64_t kMostTokens = 1024;  // a picture has a cell a pair
constexpr int64_t kMostNamed = 64;     // more pieces than that find no room beside the cells
constexpr double kWidestPiece = 150;   // pixels
constexpr double kRoomOfANumber = 40;  // pixels between two numbered rows

struct Flags {
  ModelFlags model;
  std::string text, file, png;
  std::optional<std::string> attention;
  int64_t layer = 0, head = 0;
  std::string bos = "auto";
  bool keep_line_ends = false, json = false;
  const CLI::Option* given_text = nullptr;
};

/// What is drawn: [T, T] in rows of queries, NaN where nothing is seen.
struct Weights {
  std::vector<int32_t> ids;
  std::vector<double> values;

  size_t tokens() const { return ids.size(); }
  double at(size_t query, size_t key) const { return values[query * tokens() + key]; }
};

std::vector<int32_t> text_ids(const Tokenizer& tokenizer, const Flags& flags) {
  if (flags.file.empty() && flags.given_text->count() == 0)
    fail<UsageError>("--text or --file is required; see scca attention --help");
  const std::string flag = flags.file.empty() ? "--text" : "--file " + flags.file;
  const std::vector<int32_t> ids = tokenizer.encode(read_prompt(flags.file, flags.text, flags.keep_line_ends),
                                                    puts_bos(flags.bos, tokenizer));
  if (ids.empty()) fail<UsageError>(flag, ": is empty; give some text");
  if (std::ssize(ids) > kMostTokens)
    fail<UsageError>(flag, ": has ", ids.size(), " tokens, expected at most ", kMostTokens,
                     ", since a picture has a cell for each two of them; give a part of it");
  return ids;
}

void check_place(const char* flag, int64_t value, int64_t count, const char* what) {
  if (value >= count) fail<UsageError>(flag, " ", value, ": the model has ", what, " 0 to ", count - 1);
}

/// Beside few tokens their pieces; beside many, round positions.
std::vector<std::string> names(const Weights& weights, const Tokenizer& tokenizer) {
  const auto tokens = std::ssize(weights.ids);
  std::vector<std::string> names;
  if (tokens <= kMostNamed) {
    for (const int32_t id : weights.ids)
      names.push_back(Canvas::fit_text(tokenizer.piece(id), kWidestPiece, {.size = kHeatmapNameSize}));
    return names;
  }
  const int most =
      std::max(2, static_cast<int>(square_cell(tokens) * static_cast<double>(tokens) / kRoomOfANumber));
  const std::vector<double> ticks = nice_ticks(0, static_cast<double>(tokens - 1), most);
  for (int64_t i = 0; i < tokens; ++i) {
    const bool round = std::find(ticks.begin(), ticks.end(), static_cast<double>(i)) != ticks.end();
    names.push_back(round ? std::to_string(i) : "");
  }
  return names;
}

void draw(const Flags& flags, const Weights& weights, const ReadyModel& ready) {
  const std::vector<std::string> tokens = names(weights, ready.tokenizer());
  write_heatmap(flags.png, {.title = concat("Layer ", flags.layer, ", head ", flags.head, ", ",
                                            ready.attention().to_string()),
                            .row_label = "query",
                            .column_label = "key",
                            .value_label = "weight",
                            .row_names = tokens,
                            .column_names = tokens,
                            .values = weights.values,
                            .low = 0,
                            .high = 1,
                            .square = true,
                            .root = true});
  std::cerr << "picture: " << flags.png << "\n";
}

/// The mean weight that `key_of(query)` has, over the queries behind the first one that see anything; "-"
/// where there are none.
template <class F>
std::string mean_weight(const Weights& weights, const F& key_of) {
  double sum = 0;
  int64_t queries = 0;
  for (size_t query = 1; query < weights.tokens(); ++query) {
    bool sees = false;
    for (size_t key = 0; key < weights.tokens(); ++key) sees |= std::isfinite(weights.at(query, key));
    if (!sees) continue;
    const double weight = weights.at(query, key_of(query));
    sum += std::isfinite(weight) ? weight : 0;
    ++queries;
  }
  return queries == 0 ? "-" : fixed(100 * sum / static_cast<double>(queries), 1) + " %";
}

void print_readable(const Weights& weights) {
  std::cout << format_table(
      {{"a query's weight on", "mean"},
       {"the first token", mean_weight(weights, [](size_t) { return size_t{0}; })},
       {"the token before it", mean_weight(weights, [](size_t query) { return query - 1; })},
       {"itself", mean_weight(weights, [](size_t query) { return query; })}});
}

void print_all(const Flags& flags, const Weights& weights, const ReadyModel& ready) {
  nlohmann::json rows = nlohmann::json::array(), pieces = nlohmann::json::array();
  for (size_t query = 0; query < weights.tokens(); ++query) {
    nlohmann::json row = nlohmann::json::array();
    for (size_t key = 0; key < weights.tokens(); ++key) {
      const double weight = weights.at(query, key);
      row.push_back(std::isfinite(weight) ? nlohmann::json(weight) : nlohmann::json(nullptr));
    }
    rows.push_back(std::move(row));
    pieces.push_back(ready.tokenizer().piece(weights.ids[query]));
  }
  print_json({{"layer", flags.layer},
              {"head", flags.head},
              {"attention", ready.attention().to_string()},
              {"ids", weights.ids},
              {"pieces", pieces},
              {"weights", rows}});
}

int run(const Flags& flags) {
  const std::optional<AttentionSpec> attention = attention_given(flags.attention);
  Tokenizer tokenizer = load_tokenizer(flags.model);
  Weights weights{.ids = text_ids(tokenizer, flags), .values = {}};
  const ReadyModel ready(flags.model, attention, std::ssize(weights.ids), std::move(tokenizer));
  check_place("--layer", flags.layer, ready.config().num_hidden_layers, "layers");
  check_place("--head", flags.head, ready.config().num_attention_heads, "query heads");
  check_ids(weights.ids, ready.config().vocab_size, flags.file.empty() ? "--text" : "--file");
  ready.announce(std::ssize(weights.ids), flags.bos, kWhere);
  weights.values = attention_weights(ready.model(), weights.ids, flags.layer, flags.head, attention);
  if (!flags.png.empty()) draw(flags, weights, ready);
  if (flags.json) {
    print_all(flags, weights, ready);
  } else {
    print_readable(weights);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  add_attention_flag(app, flags->attention);
  app.add_option("--layer", flags->layer, "Which layer, from 0")->transform(whole_number())->required();
  app.add_option("--head", flags->head, "Which of its query heads, from 0")
      ->transform(whole_number())
      ->required();
  begin_section(app, section::kData);
  CLI::Option* text = app.add_option("--text", flags->text, "The text; or give --file");
  flags->given_text = text;
  app.add_option("--file", flags->file, concat("File with the text, of ", kMostTokens, " tokens at most"))
      ->type_name("FILE")
      ->excludes(text);
  add_bos_flag(app, flags->bos, kWhere);
  add_line_ends_flag(app, flags->keep_line_ends);
  begin_section(app, section::kOutput);
  app.add_option("--png", flags->png, "Draw the weights, a row a query, into this file")->type_name("FILE");
  app.add_flag("--json", flags->json, "Print one JSON object with all weights, null where nothing is seen");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("attention", "Which tokens of a text a head of a layer looks at, as a picture",
                           set_up,
                           "scca attention --model LLAMA_FOLDER --text 'It was the best of times' --layer 3 "
                           "--head 2 --png weights.png");

}  // namespace
}  // namespace scca

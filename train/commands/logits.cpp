// scca logits: what a model says of given ids, for comparison with other implementations.
#include <algorithm>
#include <iostream>
#include <memory>
#include <numeric>
#include <optional>

#include "core/autograd.h"
#include "core/check.h"
#include "models/generate.h"
#include "ops/cast.h"
#include "train/cli/command.h"
#include "train/cli/help.h"
#include "train/cli/model_flags.h"
#include "train/cli/ready_model.h"
#include "train/cli/rope_flags.h"
#include "train/cli/text_input.h"
#include "train/report/table.h"

namespace scca {
namespace {

struct Flags {
  ModelFlags model;
  std::string ids;
  std::optional<std::string> attention;
  std::string causal = "on";
  bool all = false, json = false;
};

struct Result {
  Tensor logits_TV;            // of all positions, or of the last one
  std::optional<double> loss;  // of each next token; none for a single id
};

Result compute(const Llama& model, const std::vector<int32_t>& ids, const Flags& flags) {
  NoGrad no_grad;
  const auto count = static_cast<int64_t>(ids.size());
  const Tensor row = Tensor::of(ids, {1, count});
  ForwardOptions options{.attention = attention_given(flags.attention)};
  if (flags.causal == "off") options.attention = model.attention_of(options.attention).bidirectional();
  model.attention_of(options.attention).check_layers(model.config.num_hidden_layers);
  const Tensor hidden_TD = model.hidden(row, options).reshape({count, -1});
  Result result;
  result.logits_TV = cast(model.head_logits(flags.all ? hidden_TD : hidden_TD.rows(count - 1, 1)), DType::f32)
                         .to(Device::cpu);
  const Tensor& logits = result.logits_TV;
  check_logits({logits.data<float>(), static_cast<size_t>(logits.numel())}, logits.size(1),
               flags.all ? 0 : count - 1);
  if (count > 1 && flags.causal == "on") {  // what sees a token does not predict it
    const Tensor losses = model.token_losses(row, options);
    const float* loss = losses.data<float>();
    result.loss = std::accumulate(loss, loss + count - 1, 0.0) / static_cast<double>(count - 1);
  }
  return result;
}

nlohmann::json to_json(const Result& result) {
  const int64_t rows = result.logits_TV.size(0), vocabulary = result.logits_TV.size(1);
  const float* logits = result.logits_TV.data<float>();
  nlohmann::json json{{"logits", nlohmann::json::array()}, {"loss", nullptr}};
  for (int64_t row = 0; row < rows; ++row)
    json["logits"].push_back(std::vector<float>(logits + row * vocabulary, logits + (row + 1) * vocabulary));
  if (result.loss) json["loss"] = *result.loss;
  return json;
}

/// The five likeliest next tokens of each row.
void print_readable(const Result& result, int64_t first_position) {
  const int64_t rows = result.logits_TV.size(0), vocabulary = result.logits_TV.size(1);
  const int64_t shown = std::min<int64_t>(5, vocabulary);
  std::vector<std::vector<std::string>> table{{"after position", "likeliest next ids with their logits"}};
  for (int64_t row = 0; row < rows; ++row) {
    const float* logits = result.logits_TV.data<float>() + row * vocabulary;
    std::vector<int32_t> order(static_cast<size_t>(vocabulary));
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + shown, order.end(),
                      [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    std::string best;
    for (int64_t i = 0; i < shown; ++i) {
      const int32_t id = order[static_cast<size_t>(i)];
      best += concat(i ? "  " : "", id, " (", fixed(logits[id], 3), ")");
    }
    table.push_back({std::to_string(first_position + row), best});
  }
  std::cout << format_table(table);
  if (result.loss) std::cout << "mean loss of the next tokens: " << fixed(*result.loss, 6) << " nats\n";
}

int run(const Flags& flags) {
  const std::vector<int32_t> ids = parse_ids(flags.ids, "--ids");
  const auto count = static_cast<int64_t>(ids.size());
  const Llama model = load_model(flags.model, count);
  check_ids(ids, model.config.vocab_size, "--ids");
  const LlamaConfig given = given_config(flags.model);
  if (given.rope == model.config.rope)
    warn_beyond_context(model.config, count);  // and no more: a program reads this
  else
    announce_rope(given, model.config, count);
  announce_own_attention(model.config, attention_given(flags.attention));
  const Result result = compute(model, ids, flags);
  if (flags.json) {
    print_json(to_json(result));
  } else {
    print_readable(result, flags.all ? 0 : count - 1);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  add_model_flags(app, flags->model);
  add_attention_flag(app, flags->attention);
  app.add_option("--causal", flags->causal,
                 "off: positions see what is behind them too, as the pattern shows it; there is no loss then")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  begin_section(app, section::kData);
  app.add_option("--ids", flags->ids, "Token ids with commas: 1,2,3")->type_name("IDS")->required();
  begin_section(app, section::kOutput);
  app.add_flag("--all", flags->all, "Of every position, not of the last alone");
  app.add_flag("--json", flags->json, "Print one JSON object with all logits");
  return [flags] { return run(*flags); };
}

const RegisterCommand line("logits", "Logits and mean loss of given token ids", set_up,
                           "scca logits --model LLAMA_FOLDER --ids 1,306,471 --all --json");

}  // namespace
}  // namespace scca

#include "train/run/model_card.h"

#include <cmath>

#include "core/check.h"
#include "core/joined.h"
#include "models/own_attention.h"
#include "models/rope_lengths.h"
#include "train/report/table.h"

namespace scca {
namespace {

/// A foreign name as Markdown code that neither ends the code nor the table's cell.
std::string code(const std::string& name) {
  std::string safe;
  for (const char c : name)
    safe += static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '`' || c == '|' ? '?' : c;
  return "`" + safe + "`";
}

/// The same as a string of YAML and of Python: both take JSON's.
std::string quoted(const std::string& name) {
  return Json(name).dump(-1, ' ', true, Json::error_handler_t::replace);
}

template <class Items>
std::string listed(const Items& items) {
  return items.empty() ? "nothing" : joined(items);
}

/// "4.012 nats a token, perplexity 55.3"
std::string loss_text(double nats) {
  return concat(fixed(nats, 3), " nats a token, perplexity ", fixed(std::exp(nats), 1));
}

std::string facts(const AdapterInfo& adapter, const LlamaConfig& base, const LlamaConfig& trained,
                  const TrainSettings& train, const RunNumbers& numbers) {
  std::string table = "| | |\n|---|---|\n";
  const auto row = [&](const std::string& what, const std::string& value) {
    table += "| " + what + " | " + value + " |\n";
  };
  row("base", code(adapter.base_model) +
                  (adapter.base_dtype == "same" ? "" : ", its frozen matrices " + code(adapter.base_dtype)));
  row("context", concat(rope_lengths(base).made_for, " tokens before, ", train.trained_length(), " now",
                        train.positions == "pose" ? concat(" (PoSE: trained on rows of ", train.context,
                                                           " at positions of the longer text)")
                                                  : ""));
  row("RoPE", describe_rope(trained));
  row("attention", concat(code(training_attention(train, trained)), " in training; ",
                          own_attention_name(trained), " to use it"));
  row("LoRA", concat("rank ", adapter.lora.rank, ", alpha ", adapter.lora.alpha,
                     adapter.lora.rank_stabilised ? " (rank-stabilised)" : "", ", on ",
                     listed(adapter.lora.targets), "; of the base also learned: ", listed(adapter.trained)));
  row("training", concat(numbers.step, " of ", train.steps, " steps of ", train.rows_per_step(), " rows, ",
                         numbers.step * train.rows_per_step() * train.context, " tokens; learning rate ",
                         train.lr, ", seed ", train.seed));
  if (numbers.step > 0) row("last training loss", loss_text(numbers.last_loss));
  if (numbers.before)
    row(concat("base, ", own_attention_name(trained), ", ", numbers.judged_on), loss_text(*numbers.before));
  if (numbers.after) row("adapter, the same", loss_text(*numbers.after));
  return table;
}

/// The lines that load it into PEFT, or why there are none.
std::string with_peft(const std::string& folder, const AdapterInfo& adapter, bool scaled) {
  if (adapter.trained.contains("all"))
    return "PEFT cannot load this adapter: all weights of the base were trained, and PEFT does not restore "
           "those of layers that have LoRA too. Merge it, and load the merged folder as any model.\n";
  return concat(
      scaled ? "The base must be given the `config.json` of this folder: PEFT does not read it, and without "
               "it positions turn by the base's own angles and the answers are wrong.\n\n"
             : "",
      "```python\nfrom peft import PeftModel\nfrom transformers import AutoConfig, AutoModelForCausalLM\n\n",
      "base = AutoModelForCausalLM.from_pretrained(", quoted(adapter.base_model),
      ", config=AutoConfig.from_pretrained(", quoted(folder), "))\n",
      "model = PeftModel.from_pretrained(base, ", quoted(folder), ")\n```\n");
}

}  // namespace

std::string model_card(const std::string& folder, const AdapterInfo& adapter, const LlamaConfig& base,
                       const LlamaConfig& trained, const TrainSettings& train, const RunNumbers& numbers) {
  return concat(
      "---\nbase_model: ", quoted(adapter.base_model),
      "\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n- lora\n- long-context\n- scca\n---\n\n# "
      "A LoRA adapter for ",
      train.trained_length(), " tokens\n\n", facts(adapter, base, trained, train, numbers),
      "\n## To load it\n\n", with_peft(folder, adapter, !(base.rope == trained.rope)),
      "\nOr with scca: `scca generate --model BASE --adapter ADAPTER --prompt \"...\"`, and `scca merge` "
      "for a Hugging Face folder that needs no adapter.\n");
}

}  // namespace scca

// scca plan-memory: what a fine-tuning step will take, and on which card, from a config.json alone.
#include <algorithm>
#include <iostream>
#include <memory>

#include "core/check.h"
#include "core/device.h"
#include "models/weights.h"
#include "train/cli/command.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/cli/setting_table.h"
#include "train/report/progress.h"
#include "train/report/table.h"
#include "train/run/checkpointing.h"
#include "train/run/finetune.h"
#include "train/run/memory.h"

namespace scca {
namespace {

struct Flags {
  std::string config, dtype = "f32", device = "cuda";
  std::vector<int64_t> cards;
  FinetuneSettings finetune;
  bool json = false;

  Device device_kind() const { return device == "cpu" ? Device::cpu : Device::cuda; }
};

/// Memory that a step may or may not fit into.
struct Room {
  std::string name;
  int64_t bytes = 0;
};

/// A step with or without checkpointing.
struct Plan {
  std::string title, key;  // for people, for JSON
  TrainSettings settings;
  StepPlan step;

  int64_t total() const { return step.peak.total(); }
};

struct Part {
  const char* name;
  MemoryKind kind;
};
constexpr Part kParts[] = {{"weights", MemoryKind::weights},         {"adapters", MemoryKind::adapters},
                           {"optimizer", MemoryKind::optimizer},     {"gradients", MemoryKind::gradients},
                           {"activations", MemoryKind::activations}, {"workspace", MemoryKind::workspace}};
constexpr int64_t kBar = 40;  // characters of the larger peak

/// The cards asked for, or the usual ones; and what is free on this machine's own device, if it has one.
std::vector<Room> rooms_of(const Flags& flags) {
  std::vector<int64_t> cards = flags.cards;
  if (cards.empty() && flags.device_kind() == Device::cuda) cards = {16, 32, 80};
  std::vector<Room> rooms;
  for (const int64_t gigabytes : cards)
    rooms.push_back({concat(gigabytes, " GB"), gigabytes * 1'000'000'000});
  if (!why_unusable(flags.device_kind()).empty()) return rooms;
  const int64_t here = available_memory(flags.device_kind());
  if (here >= 0) rooms.push_back({"free here: " + readable_bytes(here), here});
  return rooms;
}

std::string judgement(const Plan& plan, int64_t bytes) {
  const int64_t left = bytes - plan.total();
  return left >= 0 ? "fits, " + readable_bytes(left) + " left" : readable_bytes(-left) + " short";
}

/// "backward of block 31 (attention_backward)"
std::string moment_of(const Plan& plan) {
  const PlannedPeak& peak = plan.step.peak;
  return concat(peak.where.to_string(), " (", peak.kernel_name(), ")");
}

/// What a training on memory of this size would do by itself.
struct Auto {
  bool fits = false;
  int64_t kept_layers = 0, layers = 0;
  bool keeps_attention = false;
};

Auto auto_in(const MakeModel& model, const TrainSettings& train, int64_t bytes) {
  const StepPlan step = quickest_step(model, train, room_for_step(bytes), There::nothing);
  return {step.peak.total() <= bytes, step.kept_layers(), step.layers, step.keeps_attention()};
}

std::string bar(int64_t bytes, int64_t most) {
  std::string blocks;
  for (int64_t i = 0; i < (bytes * kBar + most / 2) / most; ++i) blocks += "█";
  return blocks;
}

/// "1.4 PFLOP"
std::string readable_flops(double flops) {
  for (const auto& [name, unit] : {std::pair{"PFLOP", 1e15}, {"TFLOP", 1e12}})
    if (flops >= unit) return concat(fixed(flops / unit, 1), " ", name);
  return concat(fixed(flops / 1e9, 1), " GFLOP");
}

/// "a step computes 1.4 PFLOP, 12 % of it attention"
std::string work_of(const StepPlan& step) {
  const double all = step.total_flops(), products = step.flops.at("matmul");
  return concat("a step computes ", readable_flops(all), ", ", fixed(100 * (1 - products / all), 0),
                " % of it attention");
}

void print_plan(const Plan& plan, int64_t most) {
  std::cout << "\n"
            << plan.title << ": " << readable_bytes(plan.total()) << " at its highest, in the "
            << moment_of(plan) << "\n  " << work_of(plan.step) << "\n";
  for (const Part& part : kParts) {
    const int64_t bytes = plan.step.bytes(part.kind);
    const std::string figure = readable_bytes(bytes), blocks = bar(bytes, most);
    std::cout << "  " << part.name << std::string(12 - std::string(part.name).size(), ' ')
              << std::string(std::max<size_t>(figure.size(), 9) - figure.size(), ' ') << figure
              << (blocks.empty() ? "" : "  ") << blocks << "\n";
  }
}

void print_readable(const Flags& flags, const MakeModel& model, const std::vector<Plan>& plans,
                    const std::vector<Room>& rooms) {
  const TrainSettings& train = flags.finetune.train;
  std::cout << short_number(static_cast<double>(plans[0].step.parameters)) << " parameters in " << flags.dtype
            << "; " << short_number(static_cast<double>(plans[0].step.learning)) << " learn, in f32; "
            << train.batch << " x " << train.context << " tokens on " << flags.device << "\n";
  int64_t most = 1;
  for (const Plan& plan : plans) most = std::max(most, plan.total());
  for (const Plan& plan : plans) print_plan(plan, most);
  if (rooms.empty()) return;
  std::vector<std::vector<std::string>> table{{flags.device_kind() == Device::cuda ? "card" : "machine"}};
  for (const Plan& plan : plans) {
    table[0].push_back(plan.title);
    table[0].push_back("longest context");
  }
  table[0].push_back("auto keeps");
  for (const Room& room : rooms) {
    table.push_back({room.name});
    for (const Plan& plan : plans) {
      const int64_t longest = longest_context(model, plan.settings, room.bytes);
      table.back().push_back(judgement(plan, room.bytes));
      table.back().push_back(longest > 0 ? std::to_string(longest) : "none");
    }
    const Auto chosen = auto_in(model, train, room.bytes);
    table.back().push_back(chosen.fits ? concat(chosen.kept_layers, " of ", chosen.layers,
                                                chosen.keeps_attention ? ", attention in all" : "")
                                       : "-");
  }
  std::cout << "\n" << format_table(table);
}

nlohmann::json to_json(const Flags& flags, const MakeModel& model, const std::vector<Plan>& plans,
                       const std::vector<Room>& rooms) {
  const TrainSettings& train = flags.finetune.train;
  nlohmann::json result{{"parameters", plans[0].step.parameters},
                        {"learning", plans[0].step.learning},
                        {"layers", plans[0].step.layers},
                        {"dtype", flags.dtype},
                        {"base_dtype", flags.finetune.model.base_dtype},
                        {"device", flags.device},
                        {"batch", train.batch},
                        {"context", train.context},
                        {"cards", nlohmann::json::array()}};
  for (const Plan& plan : plans) {
    nlohmann::json& peak = result[plan.key] = {
        {"total", plan.total()}, {"moment", moment_of(plan)}, {"flops", plan.step.total_flops()}};
    for (const Part& part : kParts) peak[part.name] = plan.step.bytes(part.kind);
  }
  for (const Room& room : rooms) {
    nlohmann::json card{{"name", room.name}, {"bytes", room.bytes}};
    for (const Plan& plan : plans)
      card[plan.key] = {{"fits", plan.total() <= room.bytes},
                        {"longest_context", longest_context(model, plan.settings, room.bytes)}};
    const Auto chosen = auto_in(model, train, room.bytes);
    card["checkpointing_auto"] = {{"fits", chosen.fits},
                                  {"kept_layers", chosen.kept_layers},
                                  {"keeps_attention", chosen.keeps_attention}};
    result["cards"].push_back(card);
  }
  return result;
}

int run(Flags& flags) {
  FinetuneSettings& finetune = flags.finetune;
  TrainSettings& train = finetune.train;
  const auto expect = [](const char* flag, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      fail<UsageError>(flag, " ", value, ": expected a number from ", least, " to ", most);
  };
  expect("--context", train.context, 2, kMostContext);
  expect("--batch", train.batch, 1, 1 << 16);
  expect("--grad-accum", train.grad_accum, 1, 1 << 16);
  for (const int64_t gigabytes : flags.cards) expect("--cards", gigabytes, 1, 1 << 20);
  const auto lora = finetune.lora.rank == 0 ? std::nullopt : std::optional(finetune.lora);
  const DType dtype = flags.dtype == "bf16" ? DType::bf16 : DType::f32;
  const BaseDType base = base_dtype(finetune.model.base_dtype);
  std::optional<Weights> weights;  // their dtypes, none of their numbers
  if (base == BaseDType::stored) weights.emplace(flags.config);
  const MakeModel model =
      model_of(read_config(flags.config), dtype, flags.device_kind(), {lora, finetune.learning},
               parameter_dtypes(base, dtype, weights ? &*weights : nullptr));
  std::vector<Plan> plans;
  for (const char* checkpointing : {"on", "off"}) {
    TrainSettings settings = train;
    settings.checkpointing = checkpointing;
    plans.push_back({concat("checkpointing ", checkpointing), concat("checkpointing_", checkpointing),
                     settings, plan_step(model, settings)});
  }
  const std::vector<Room> rooms = rooms_of(flags);
  if (flags.json) {
    print_json(to_json(flags, model, plans, rooms));
  } else {
    print_readable(flags, model, plans, rooms);
  }
  return 0;
}

Action set_up(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  FinetuneSettings& finetune = flags->finetune;
  begin_section(app, section::kModel);
  app.add_option("--model-config", flags->config,
                 "A config.json, its folder or a .gguf file; no weights are read")
      ->type_name("PATH")
      ->required();
  SettingTable machine = device_settings(finetune.model);
  setting_of(machine, "dtype").member = &flags->dtype;
  SettingRow& device = setting_of(machine, "device");
  device.member = &flags->device;
  device.help = "Where the step would run; it need not be here";
  device.takes = CLI::IsMember({"cpu", "cuda"});
  SettingTable lora = lora_settings(finetune);
  setting_of(lora, "lora_rank").help = "Rank of the updates; 0: no LoRA, as in pretrain";
  const SettingTable step =
      only(train_settings(finetune.train), {"context", "batch", "grad_accum", "attention"});
  const SettingTable base{base_dtype_setting(finetune.model)};
  add_flags(app, base + in_section(section::kTraining, step) + machine + lora);
  begin_section(app, section::kMachine);
  add_list(app, "--cards", flags->cards, whole_number(),
           "Memory to judge by, GB each (default: 16,32,80 on cuda); always: what is free here");
  begin_section(app, section::kOutput);
  app.add_flag("--json", flags->json, "Print one JSON object");
  return [flags] { return run(*flags); };
}

const RegisterCommand line(
    "plan-memory", "Predict the memory of a fine-tuning step, and the cards that it fits on", set_up,
    "scca plan-memory --model-config train/configs/llama-2-7b.json --context 8k --dtype bf16");

}  // namespace
}  // namespace scca

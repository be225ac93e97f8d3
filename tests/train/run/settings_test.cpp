#include "train/run/settings.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "tests/temporary_folder.h"
#include "train/cli/setting_table.h"
#include "train/study/study.h"

using namespace scca;
using test::error_of;

namespace {

TrainSettings good() {
  TrainSettings settings;
  settings.context = 64;
  return settings;
}

nlohmann::json json_of(TrainSettings settings) { return to_json(train_settings(settings)); }

const std::set<std::string>& may_differ() {
  static FinetuneSettings settings;
  static const RunRecord record = record_of(finetune_settings(settings), "finetune");
  return record.may_differ;
}

/// What any setting may hold. A setting that takes none of these needs one more here.
const std::vector<nlohmann::json> kValues{true,
                                          false,
                                          3,
                                          1.5,
                                          0.25,
                                          "on",
                                          "cosine",
                                          "bf16",
                                          "nf4",
                                          "cpu",
                                          "local",
                                          "yarn",
                                          "all",
                                          "documents",
                                          "chatml",
                                          "pose",
                                          7,
                                          nlohmann::json::array({"v_proj"}),
                                          nlohmann::json::array({"head"}),
                                          nlohmann::json::array({"full"}),
                                          nlohmann::json::array({64})};

/// Sets the member to the first of kValues that it takes, that is written as such and is not what was written
/// before; null when there is none.
nlohmann::json changed(const SettingRow& setting) {
  const auto written = [&] { return to_json({setting})[setting.name]; };
  const nlohmann::json before = written();
  for (const nlohmann::json& value : kValues) {
    if (error_of([&] { set_from_json(setting, value); }) == "no error" && written() != before &&
        written() == value)
      return value;
  }
  return nullptr;
}

struct Names {
  std::set<std::string> kept, free, flags, recorded;
};

/// Each setting of the table alone changed: written as such, read back as such, and noticed on going on if it
/// is to be kept. Returns the names.
template <class Settings>
Names change_each(SettingTable (*table_of)(Settings&)) {
  Names names;
  Settings defaults;
  const RunRecord before = record_of(table_of(defaults), "a command");
  for (size_t i = 0; i < table_of(defaults).size(); ++i) {
    Settings settings;
    const SettingTable table = table_of(settings);
    const SettingRow& setting = table[i];
    CAPTURE(setting.name);
    if (setting.is_recorded_only()) {
      names.recorded.insert(setting.name);
      continue;
    }
    if (!setting.written) {
      names.flags.insert(setting.name);
      CHECK_FALSE(before.settings.contains(setting.name));
      continue;
    }
    const nlohmann::json value = changed(setting);
    const RunRecord now = record_of(table, "a command");
    nlohmann::json expected = before.settings;
    expected[setting.name] = value;
    CHECK(now.settings == expected);
    const std::string difference = error_of([&] { check_same_settings(before.settings, now, "RUN"); });
    (difference == "no error" ? names.free : names.kept).insert(setting.name);
    CHECK((difference == "no error" || difference.starts_with(setting.flag() + " is " + value.dump())));
  }
  return names;
}

std::set<const void*> members(const SettingTable& table) {
  std::set<const void*> all;
  for (const SettingRow& setting : table)
    std::visit(
        [&](auto member) {
          if constexpr (std::is_pointer_v<decltype(member)>) all.insert(member);
        },
        setting.member);
  return all;
}

template <class Change>
std::string error_after(Change change) {
  TrainSettings settings = good();
  change(settings);
  return error_of([&] { check_settings(settings); });
}

}  // namespace

TEST_CASE("settings: a value without meaning is named with its flag") {
  CHECK(error_after([](TrainSettings&) {}) == "no error");
  CHECK(error_after([](TrainSettings& s) { s.context = 1; }) == "--context 1: expected 2 or more");
  CHECK(error_after([](TrainSettings& s) { s.steps = 0; }) == "--steps 0: expected 1 or more");
  CHECK(error_after([](TrainSettings& s) { s.batch = -1; }) == "--batch -1: expected 1 or more");
  CHECK(error_after([](TrainSettings& s) { s.lr = 0; }) == "--lr 0: expected a number above 0");
  CHECK(error_after([](TrainSettings& s) { s.clip = -1; }) ==
        "--clip -1: expected a number above 0, or 0 for no clipping");
  CHECK(error_after([](TrainSettings& s) { s.eval_every = 5; }) ==
        "--eval-every and --eval-data go together; --eval-data is missing");
  CHECK(error_after([](TrainSettings& s) { s.eval_data = {"x"}; }) ==
        "--eval-every and --eval-data go together; --eval-every is missing");
  // An evaluation that nobody asked for has no size.
  const auto long_rows = [](TrainSettings& s) { s.context = 1 << 17; };
  CHECK(error_after(long_rows) == "no error");
  CHECK(error_after([&](TrainSettings& s) { long_rows(s), s.eval_every = 5, s.eval_data = {"x"}; }) ==
        "--eval-tokens 65536: expected --context or more, as --eval-every is given");
  CHECK(error_after([](TrainSettings& s) { s.eval_tokens = 0; }) == "--eval-tokens 0: expected 1 or more");
}

TEST_CASE("settings: products that 64 bits cannot hold are refused by their flags") {
  CHECK(error_after([](TrainSettings& s) { s.batch = 33554431; }) == "no error");  // 2^31 - 64 tokens
  CHECK(error_after([](TrainSettings& s) { s.batch = 33554432; }) ==
        "--batch 33554432 x --context 64: expected at most 2147483647 tokens in a forward pass; use "
        "--grad-accum for "
        "larger steps");
  CHECK(error_after([](TrainSettings& s) {
          s.batch = s.context = INT64_MAX, s.eval_tokens = INT64_MAX;
        }).starts_with("--batch 9223372036854775807 x --context"));
  CHECK(error_after([](TrainSettings& s) { s.batch = 1 << 24, s.grad_accum = s.steps = 2147483647; }) ==
        "--steps 2147483647 x --grad-accum 2147483647 x --batch 16777216 x --context 64: are more than 2^63 "
        "tokens");
}

TEST_CASE("settings: a resumed run keeps what shapes its losses; steps may grow") {
  const auto difference = [](const std::string& key, const nlohmann::json& value) {
    const nlohmann::json before = json_of(good());
    nlohmann::json now = before;
    now[key] = value;
    return error_of([&] { check_same_settings(before, {now, may_differ()}, "RUN"); });
  };
  for (const char* free : {"steps", "save_every", "eval_every", "out", "data", "device"})
    CHECK(difference(free, 123) == "no error");
  CHECK(difference("lr", 0.5).starts_with("--lr is 0.5 but RUN began with 0.0002; only --steps may grow"));
  CHECK(difference("grad_accum", 2).starts_with("--grad-accum is 2 but RUN began with 1"));
  CHECK(difference("lora_rank", 4).starts_with("--lora-rank is 4 but RUN began with null"));
  // As older versions wrote it.
  for (const bool was : {true, false}) {
    nlohmann::json before = json_of(good());
    before["checkpointing"] = was;
    CHECK(error_of([&] {
            check_same_settings(before, {json_of(good()), may_differ()}, "RUN");
          }) == "no error");
  }
  // A run begun before there was a flag goes on as long as that is not given.
  CHECK(difference("a_later_flag", false) == "no error");
  CHECK(difference("a_later_flag", true).starts_with("--a-later-flag is true but RUN began with null"));
  CHECK(difference("data_fingerprint", "x")
            .starts_with(
                "--data: what it names differs from what RUN began with (by its hash: \"x\", not null)"));
  CHECK(difference("eval_data_fingerprint", "x").starts_with("--eval-data: what it names"));
}

using NameSet = std::set<std::string>;
const NameSet kKept{
    "base_dtype",   "rope",       "rope_factor",   "dtype", "lora_rank",    "lora_alpha", "lora_rs",
    "train",        "bos",        "context",       "batch", "grad_accum",   "lr",         "clip",
    "warmup",       "schedule",   "lr_final",      "seed",  "weight_decay", "attention",  "lora_targets",
    "lora_dropout", "text_field", "chat_template", "loss",  "pack",         "positions",  "target_context"};
const NameSet kFree{"model",      "device",      "data", "keep_line_ends", "steps",       "eval_data",
                    "eval_every", "eval_tokens", "out",  "save_every",     "token_cache", "checkpointing"};
const NameSet kRecorded{"command",
                        "version",
                        "derived",
                        "model_config",
                        "model_fingerprint",
                        "data_fingerprint",
                        "attention_fingerprint"};

TEST_CASE(
    "settings: each of a fine-tuning is written, read back, and kept on resuming if it shapes the losses") {
  const Names names = change_each(finetune_settings);
  CHECK(names.kept == kKept);
  CHECK(names.free == kFree);
  CHECK(names.flags == NameSet{"force", "resume"});
  CHECK(names.recorded == kRecorded);
  FinetuneSettings settings;
  for (const SettingRow& setting : finetune_settings(settings))
    CHECK(may_differ().contains(setting.name) ==
          (kFree.contains(setting.name) || setting.name == "version" || setting.name == "derived"));
}

TEST_CASE("settings: each of a study; more are kept there, and seeds may grow") {
  NameSet kept = kKept, free = kFree, recorded = kRecorded;
  for (const char* name : {"attention", "positions", "target_context"}) kept.erase(name);
  for (const char* name : {"eval_every", "steps", "save_every", "eval_tokens", "keep_line_ends"})
    free.erase(name);
  for (const char* name : {"steps", "save_every", "eval_tokens", "keep_line_ends", "patterns", "lengths",
                           "passkey_trials", "recall_passages"})
    kept.insert(name);
  free.insert("seeds");
  recorded.insert({"eval_data_fingerprint", "patterns_fingerprint"});
  const Names names = change_each(study_settings);
  CHECK(names.kept == kept);
  CHECK(names.free == free);
  CHECK(names.flags == NameSet{"force", "resume"});
  CHECK(names.recorded == recorded);
}

// A new member does not compile here before it is named, and fails before it has its line.
TEST_CASE("settings: every member has its line") {
  {
    TrainSettings s;
    auto& [data, eval_data, bos, keep_line_ends, text_field, chat_template, loss, token_cache, pack, out,
           resume, context, positions, target_context, steps, batch, grad_accum, lr, warmup, schedule,
           lr_final, clip, weight_decay, seed, attention, usual_attention, checkpointing, force, save_every,
           eval_every, eval_tokens] = s;
    CHECK(usual_attention == "full");  // of a command
    CHECK(positions == "rows");        // a fine-tuning's own, below
    CHECK(target_context == 0);
    CHECK(members(train_settings(s)) ==
          std::set<const void*>{&data,         &eval_data,     &bos,         &keep_line_ends,
                                &text_field,   &chat_template, &token_cache, &loss,
                                &pack,         &out,           &resume,      &context,
                                &steps,        &batch,         &grad_accum,  &lr,
                                &warmup,       &schedule,      &lr_final,    &clip,
                                &weight_decay, &seed,          &attention,   &checkpointing,
                                &force,        &save_every,    &eval_every,  &eval_tokens});
  }
  {
    ModelFlags flags;
    auto& [model, adapter, rope, rope_factor, dtype, device, base_dtype] = flags;
    CHECK(adapter.empty());  // of commands that make none
    CHECK(members(model_settings(flags)) ==
          std::set<const void*>{&model, &rope, &rope_factor, &dtype, &device, &base_dtype});
  }
  {
    FinetuneSettings s;
    auto& [train, model, lora, learning, concluded] = s;
    auto& [rank, alpha, dropout, rank_stabilised, targets] = lora;
    CHECK(concluded);  // of how it ends, which no user sets
    CHECK(members(lora_settings(s)) ==
          std::set<const void*>{&rank, &alpha, &dropout, &rank_stabilised, &targets, &learning});
    std::set<const void*> all = members(train_settings(train)), more = members(model_settings(model));
    all.insert(more.begin(), more.end());
    CHECK(members(position_settings(s)) == std::set<const void*>{&train.positions, &train.target_context});
    all.insert(&train.positions);
    all.insert(&train.target_context);
    more = members(lora_settings(s));
    all.insert(more.begin(), more.end());
    CHECK(members(finetune_settings(s)) == all);
  }
  {
    StudySettings s;
    auto& [finetune, patterns, seeds, lengths, passkey_trials, recall_passages] = s;
    std::set<const void*> all = members(finetune_settings(finetune));
    all.erase(&finetune.train.attention);
    all.erase(&finetune.train.eval_every);
    all.erase(&finetune.train.positions);
    all.erase(&finetune.train.target_context);
    for (const void* own :
         std::initializer_list<const void*>{&patterns, &seeds, &lengths, &passkey_trials, &recall_passages})
      all.insert(own);
    CHECK(members(study_settings(s)) == all);
  }
}

TEST_CASE("settings: a value of JSON is read as strictly as a flag's") {
  StudySettings s;
  const SettingTable table = study_settings(s);
  const auto error = [&](const std::string& name, const char* value) {
    SettingTable mine = table;
    return error_of([&] { set_from_json(setting_of(mine, name), nlohmann::json::parse(value)); });
  };
  CHECK(error("steps", "\"5\"") == "--steps is \"5\", expected a whole number");
  CHECK(error("steps", "5.0") == "--steps is 5.0, expected a whole number");
  CHECK(error("steps", "-1") == "--steps: found '-1', expected a whole number from 0 to 2147483647");
  CHECK(error("steps", "99999999999999999999") == "--steps is 1e+20, expected a whole number");
  CHECK(error("steps", "18446744073709551615").starts_with("--steps: found '18446744073709551615'"));
  CHECK(error("steps", "0") == "--steps 0: expected 1 or more");
  CHECK(error("context", "16777217").starts_with("--context: found '16777217', expected a whole number of"));
  CHECK(error("seed", "18446744073709551615") == "no error");
  CHECK(s.finetune.train.seed == UINT64_MAX);
  CHECK(error("seed", "-1") == "--seed: found '-1', expected a whole number from 0 to 2^64 - 1");
  CHECK(error("lr", "1") == "no error");
  CHECK(error("lr", "true") == "--lr is true, expected a number");
  CHECK(error("lr", "null") == "--lr is null, expected a number");
  CHECK(error("rope_factor", "0.5").starts_with("--rope-factor: "));
  CHECK(error("rope_factor", "2") == "no error");
  CHECK(s.finetune.model.rope_factor == 2);
  CHECK(error("rope_factor", "0.0") == "no error");  // as a study writes that none was given
  CHECK_FALSE(s.finetune.model.rope_factor);
  CHECK(error("rope", "\"\"") == "no error");
  CHECK(error("rope", "\"spline\"").starts_with("--rope spline: expected one of "));
  CHECK(error("bos", "\"windows\"").starts_with("--bos: windows not in {"));
  CHECK(error("checkpointing", "\"sometimes\"").starts_with("--checkpointing: sometimes not in {"));
  CHECK(error("checkpointing", "1") == "--checkpointing is 1, expected a string");
  for (const auto& [word, means] : {std::pair{"true", "on"}, {"false", "off"}, {"\"auto\"", "auto"}}) {
    CHECK(error("checkpointing", word) == "no error");  // true and false: of older versions
    CHECK(s.finetune.train.checkpointing == means);
  }
  CHECK(error("data", "\"x\"") == "--data is \"x\", expected a list of strings");
  CHECK(error("data", "[\"x\", 1]") == "--data is [\"x\",1], expected a list of strings");
  CHECK(error("out", "[]") == "--out is [], expected a string");
  CHECK(error("lengths", "[64, 1]") == "--lengths 1: expected 2 tokens or more");
  CHECK(error("lengths", "64") == "--lengths is 64, expected a list of numbers");
  CHECK(error("patterns", "[\"full@0,1;b(x=1,y=2)\", \"full\"]") == "no error");
  CHECK(s.patterns == std::vector<std::string>{"full@0,1;b(x=1,y=2)", "full"});
  CHECK(error("lora_targets", "[\"q\", \"down_proj\"]") == "no error");
  CHECK(s.finetune.lora.targets == NameSet{"q_proj", "down_proj"});
  CHECK(error("lora_targets", "[\"quack\"]").starts_with("--lora-targets: no layer is called 'quack'"));
  CHECK(error("lora_targets", "[]").starts_with("--lora-targets: names no layer"));
  CHECK(error("train", "[\"all\", \"norm\"]") == "--train all,norm: all and none stand alone");
  CHECK(error("train", "[\"emebd\"]").find("'emebd'") != std::string::npos);
  CHECK(error("lora_dropout", "1") == "--lora-dropout 1: expected a probability in [0, 1)");
  CHECK(error("lora_rank", "0") == "--lora-rank 0: expected 1 or more");
  CHECK(error("lora_alpha", "0") == "--lora-alpha 0: expected a number above 0");
}

TEST_CASE("settings: a flag is named before what follows from it, a field of config.json by its name") {
  const nlohmann::json before{{"data_fingerprint", "a"},
                              {"model_config", {{"eps", 1}, {"x", 2}}},
                              {"model_fingerprint", "b"},
                              {"seed", 5}};
  nlohmann::json now = before;
  now["model_fingerprint"] = "c";
  CHECK(first_difference(before, now, {}, "RUN").starts_with("--model: what it names"));
  CHECK(first_difference(before, now, {"model_fingerprint"}, "RUN") == "");
  now["model_config"]["x"] = 3;
  CHECK(first_difference(before, now, {}, "RUN") == "the model's config.json: x is 3 but RUN began with 2");
  now["model_config"] = {{"eps", 1}};
  CHECK(first_difference(before, now, {}, "RUN") ==
        "the model's config.json: x is null but RUN began with 2");
  now["seed"] = 6;
  CHECK(first_difference(before, now, {}, "RUN") == "--seed is 6 but RUN began with 5");
}

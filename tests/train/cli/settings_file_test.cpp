// --config with the real program: a run's own config.json repeats it, flags have the last word, and what is
// not understood is refused.
#include "train/cli/settings_file.h"

#include <doctest/doctest.h>

#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

struct Settings : Workplace {
  std::string path(const std::string& name) const { return (folder / name).string(); }
  std::string config(const std::string& run) const { return path(run + "/config.json"); }
  json read(const std::string& run, const char* file = "config.json") const {
    return json::parse(read_text_file(folder / run / file));
  }
  std::string written(const json& settings, const std::string& name = "settings.json") const {
    write_file(path(name), settings.dump());
    return path(name);
  }
};

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The settings in which two runs differ.
std::set<std::string> differences(const json& a, const json& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.items())
    if (!b.contains(key) || b[key] != value) keys.insert(key);
  for (const auto& [key, value] : b.items())
    if (!a.contains(key)) keys.insert(key);
  return keys;
}

using Keys = std::set<std::string>;

}  // namespace

TEST_CASE("settings file: a run's config.json repeats a fine-tuning, and a flag overrides it") {
  const Settings place;
  const Words other{"--lora-rs", "--lora-targets", "q,v",      "--lora-rank",  "4",      "--train",
                    "norm",      "--attention",    "s2",       "--bos",        "on",     "--clip",
                    "0.5",       "--warmup",       "2",        "--schedule",   "cosine", "--checkpointing",
                    "off",       "--lr-final",     "0.5",      "--dtype",      "bf16",   "--weight-decay",
                    "0.1",       "--eval-data",    place.data, "--eval-every", "2",      "--eval-tokens",
                    "128"};
  REQUIRE(run_scca(place.finetune("first", 4, other)).code == 0);
  const Words repeat{"finetune", "--config", place.config("first"), "--out"};
  const RunResult again = run_scca(repeat + Words{place.path("again")});
  CAPTURE(again.err);
  REQUIRE(again.code == 0);
  CHECK(place.adapter("again") == place.adapter("first"));
  CHECK(place.metrics("again") == place.metrics("first"));
  CHECK(differences(place.read("first"), place.read("again")) == Keys{"out"});

  const std::string data = place.path("more.txt");
  write_file(data, read_text_file(place.data) + "Lily had one. ");
  REQUIRE(run_scca(repeat + Words{place.path("other"), "--seed", "6", "--lora-rs=false", "--data", data,
                                  "--steps", "2", "--checkpointing", "on", "--lora-targets", "k"})
              .code == 0);
  const json changed = place.read("other");
  CHECK(differences(place.read("first"), changed) ==
        Keys{"out", "seed", "lora_rs", "data", "steps", "checkpointing", "lora_targets", "data_fingerprint"});
  CHECK(changed["data"] == json::array({data}));  // not both
  CHECK(changed["lora_rs"] == false);
  CHECK(changed["checkpointing"] == "on");
  CHECK(changed["seed"] == 6);

  json older = place.read("first");  // which had checkpointing as true or false
  older["checkpointing"] = true;
  write_file(place.path("older.json"), older.dump());
  REQUIRE(run_scca({"finetune", "--config", place.path("older.json"), "--out", place.path("older")}).code ==
          0);
  CHECK(place.read("older")["checkpointing"] == "on");
  CHECK(place.adapter("older") == place.adapter("first"));

  const RunResult there = run_scca({"finetune", "--config", place.config("first")});
  CHECK(there.code == 2);
  CHECK(contains(there.err, "first: is there already; go on with it with --resume"));
  const RunResult on = run_scca({"finetune", "--config", place.config("first"), "--resume", "--steps", "5"});
  CHECK(on.code == 0);
  CHECK(contains(on.err, "after step 4"));
}

TEST_CASE("settings file: RoPE that nobody gave follows from the context again; what is changed is taken") {
  const Settings place;
  const Words words = place.finetune("first", 1, {"--train", "none", "--rope", "ntk"});
  REQUIRE(run_scca(with(words, "--context", "700")).code == 0);
  const auto repeated = [&](const std::string& file, const std::string& run, const Words& more = {}) {
    const RunResult result = run_scca(Words{"finetune", "--config", file, "--out", place.path(run)} + more);
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    CHECK(!contains(result.err, "warning: "));
    return place.read(run);
  };
  const json first = place.read("first");
  REQUIRE(first["rope_factor"] == 2);  // of 700 tokens on 512, positions for no more than 700
  CHECK(first["derived"] == json{{"rope_factor", 2}});
  CHECK(differences(first, repeated(place.config("first"), "again")) == Keys{"out"});
  CHECK(place.adapter("again") == place.adapter("first"));
  CHECK(read_text_file(place.path("again/adapter/config.json")) ==
        read_text_file(place.path("first/adapter/config.json")));
  const json longer = repeated(place.config("first"), "longer", {"--context", "1100"});
  CHECK(longer["rope_factor"] == 3);
  json edited = first;
  edited["rope_factor"] = 4;
  CHECK(repeated(place.written(edited), "edited")["rope_factor"] == 4);
  CHECK(place.read("edited")["derived"] == json::object());
}

TEST_CASE("settings file: pretrain's, whose --config may also be a model's shape") {
  const Settings place;
  const std::string shape = kModel + "/config.json", file = place.config("first");
  const Words own{"--tokenizer",  kModel + "/tokenizer.model",
                  "--data",       place.data,
                  "--context",    "33",
                  "--steps",      "2",
                  "--clip",       "0.5",
                  "--save-dtype", "f32"};
  const auto model = [&](const std::string& run) {
    return read_text_file(place.folder / run / "model/model.safetensors");
  };
  REQUIRE(run_scca(Words{"pretrain", "--model-config", shape, "--out", place.path("first")} + own).code == 0);
  REQUIRE(run_scca({"pretrain", "--config", file, "--out", place.path("again")}).code == 0);
  CHECK(model("again") == model("first"));
  CHECK(differences(place.read("first"), place.read("again")) == Keys{"out"});
  for (const std::string& name : {shape, kModel}) {  // as before there were files of settings
    fs::remove_all(place.path("old"));
    REQUIRE(run_scca(Words{"pretrain", "--config", name, "--out", place.path("old")} + own).code == 0);
    CHECK(model("old") == model("first"));
  }
  json wide = json::parse(read_text_file(shape));
  wide["intermediate_size"] = 100;
  const std::string other = place.written(wide, "shape.json");
  REQUIRE(
      run_scca({"pretrain", "--config", file, "--model-config", other, "--out", place.path("wide")}).code ==
      0);
  CHECK(differences(place.read("first"), place.read("wide")) == Keys{"config", "model_config", "out"});
  // what a pretraining is resumed with: its files may lie elsewhere, its dtypes are kept
  Keys keys;
  const json first = place.read("first");
  for (const auto& [key, value] : first.items()) keys.insert(key);
  for (const char* key : {"config", "tokenizer", "save_dtype", "dtype", "device", "lr", "model_config",
                          "data_fingerprint", "version", "command"})
    CHECK(keys.contains(key));
  const Words resume{"pretrain", "--config", file, "--resume"};
  CHECK(contains(run_scca(resume + Words{"--save-dtype", "bf16"}).err, "--save-dtype is \"bf16\" but "));
  CHECK(contains(run_scca(resume + Words{"--model-config", other}).err, "the model's config.json: "));
  fs::copy_file(shape, place.path("same.json"));
  fs::copy_file(kModel + "/tokenizer.model", place.path("same.model"));
  CHECK(run_scca(resume + Words{"--model-config", place.path("same.json"), "--tokenizer",
                                place.path("same.model"), "--device", "cpu"})
            .code == 0);
}

TEST_CASE("settings file: a study's") {
  const Settings place;
  REQUIRE(run_scca({"study",
                    "--model",
                    kModel,
                    "--data",
                    place.data,
                    "--context",
                    "64",
                    "--out",
                    place.path("first"),
                    "--eval-data",
                    place.data,
                    "--patterns",
                    "local(chunk=16),full@0,1;s2",
                    "--seeds",
                    "1",
                    "--steps",
                    "2",
                    "--lengths",
                    "33,64",
                    "--passkey-trials",
                    "0",
                    "--recall-passages",
                    "0",
                    "--eval-tokens",
                    "200",
                    "--lora-rank",
                    "2"})
              .code == 0);
  const std::string file = place.path("first/study.json");
  const RunResult again = run_scca({"study", "--config", file, "--out", place.path("again")});
  CAPTURE(again.err);
  REQUIRE(again.code == 0);
  CHECK(differences(place.read("first", "study.json"), place.read("again", "study.json")) == Keys{"out"});
  for (const char* name : {"local-chunk=16/seed-1/adapter/adapter_model.safetensors",
                           "full-0-1-s2/seed-1/eval_64.json", "rope-untrained/losses_33.safetensors"})
    CHECK(read_text_file(place.folder / "again" / name) == read_text_file(place.folder / "first" / name));
  const RunResult foreign =
      run_scca({"study", "--config", place.path("first/local-chunk=16/seed-1/config.json"), "--out",
                place.path("other")});
  CHECK(foreign.code == 2);
  CHECK(contains(foreign.err, "/config.json: command is \"finetune\", expected \"study\""));
  CHECK(run_scca({"study", "--config", file, "--resume"}).code == 0);
  json unjudged = place.read("first", "study.json");
  unjudged.erase("eval_data");
  CHECK(contains(run_scca({"study", "--config", place.written(unjudged)}).err,
                 "--eval-data is required, and "));
  // a run of the study alone
  REQUIRE(run_scca({"finetune", "--config", place.path("first/local-chunk=16/seed-1/config.json"), "--out",
                    place.path("alone")})
              .code == 0);
  CHECK(place.adapter("alone") == place.adapter("first/local-chunk=16/seed-1"));
}

TEST_CASE("settings file: what is not understood is refused in a line with the file and the key") {
  const Settings place;
  const auto refused = [&](const std::string& text, const std::string& said, int code = 2) {
    const std::string file = place.path("mine.json");
    write_file(file, text);
    const RunResult result = run_scca(place.finetune("run", 1, {"--config", file}));
    CAPTURE(text);
    CAPTURE(result.err);
    CHECK(result.code == code);
    CHECK(result.one_error_line());
    CHECK(contains(result.err, "scca finetune: " + file + ": " + said));
    CHECK(!fs::exists(place.path("run")));
  };
  refused(R"({"stpes": 5})", "\"stpes\" is no setting of scca finetune");
  refused(R"({"patterns": ["full"]})", "\"patterns\" is no setting of scca finetune");
  refused(R"({"resume": true})", "\"resume\" is no setting of scca finetune");
  refused(R"({"a\nb": 1})", "\"a\\nb\" is no setting of scca finetune");
  refused(R"({"eval_tokens": "many"})", "eval_tokens is \"many\", expected a whole number");
  refused(R"({"save_every": 1.5})", "save_every is 1.5, expected a whole number");
  refused(R"({"warmup": -1})", "warmup: found '-1', expected a whole number from 0");
  refused(R"({"steps": 0})", "steps 0: expected 1 or more");  // though --steps is given
  refused(R"({"grad_accum": 0})", "grad_accum 0: expected 1 or more");
  refused(R"({"clip": -1})", "clip -1: expected a number above 0, or 0 for no clipping");
  refused(R"({"lora_alpha": 0})", "lora_alpha 0: expected a number above 0");
  refused(R"({"schedule": "linear"})", "schedule: linear not in {");
  refused(R"({"attention": "no-such"})", "attention: attention spec: unknown pattern 'no-such'");
  refused(R"({"rope": "spline"})", "rope spline: expected one of ");
  refused(R"({"train": ["emebd"]})", "train: ");
  refused(R"({"lora_targets": ["quack"]})", "lora_targets: no layer is called 'quack'");
  refused(R"({"command": "pretrain"})", "command is \"pretrain\", expected \"finetune\"");
  refused(R"({"version": "0.0.1"})", "version is \"0.0.1\", expected \"" SCCA_VERSION "\"");
  refused(R"({"derived": 1})", "derived is 1, expected an object");
  refused(R"({"lr": 1, "lr": 2})", "the key \"lr\" comes twice", 1);
  refused("[1]", "holds [1], expected an object of settings", 1);
  refused("{", "not JSON: ", 1);
  const RunResult none = run_scca(place.finetune("run", 1, {"--config", place.path("none.json")}));
  CHECK(none.code == 1);
  CHECK(none.one_error_line());
  CHECK(contains(none.err, "none.json"));
}

TEST_CASE("settings file: what is required stands in a flag or in the file") {
  const Settings place;
  const auto run = [&](const json& settings, const Words& flags) {
    return run_scca(Words{"finetune", "--config", place.written(settings)} + flags);
  };
  const json all{{"model", kModel}, {"data", {place.data}}, {"context", 64}, {"out", place.path("run")}};
  for (const auto& [key, value] : all.items()) {
    json fewer = all, empty = all;
    fewer.erase(key);
    empty[key] = value.is_array() ? json::array() : json("");
    const RunResult missing = run(fewer, {"--steps", "1"});
    CHECK(missing.code == 2);
    CHECK(missing.one_error_line());
    CHECK(contains(missing.err, "scca finetune: --" + key + " is required, and " +
                                    place.path("settings.json") + " does not say it either"));
    if (key != "context")
      CHECK(contains(run(empty, {"--steps", "1"}).err, "--" + key + " is required, and "));
    const std::string given = value.is_array()    ? place.data
                              : value.is_number() ? "64"
                                                  : value.get<std::string>();
    fs::remove_all(place.path("run"));
    CHECK(run(fewer, {"--steps", "1", "--" + key, given}).code == 0);
    fs::remove_all(place.path("run"));
  }
  const RunResult without = run_scca({"finetune", "--model", kModel});
  CHECK(without.code == 2);
  CHECK(contains(without.err, " is required; see scca finetune --help"));
  const RunResult mistyped = run_scca({"finetune", "--cnofig", "x.json"});
  CHECK(contains(mistyped.err, "did you mean --config?"));
}

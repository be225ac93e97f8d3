// RoPE through the real program, on models that are scaled already: what a run says, what it trains with,
// what the next reader of its files makes of them.
#include "train/cli/rope_flags.h"

#include <doctest/doctest.h>

#include "core/check.h"
#include "models/rope_lengths.h"
#include "nn/json.h"
#include "nn/rope_types.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;
namespace fs = std::filesystem;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

using Words = std::vector<std::string>;

/// A folder with stories260K under other RoPE settings, as if it had been pretrained at 64 tokens, and a
/// text.
class Workplace {
 public:
  Workplace() {
    std::string text;
    for (int i = 0; i < 60; ++i) text += "Lily saw a big red ball number " + std::to_string(i) + ". ";
    write_file(folder_ / "text.txt", text);
  }

  std::string model(const std::string& name, int64_t max_position_embeddings, const Json& scaling,
                    int64_t original_at_top = 0) const {
    const fs::path folder = folder_ / name;
    fs::create_directories(folder);
    for (const char* file : {"model.safetensors", "tokenizer.model"})
      if (!fs::exists(folder / file)) fs::create_symlink(fs::path(kModel) / file, folder / file);
    Json config = parse_json(read_text_file(kModel + "/config.json"), "config.json");
    config["max_position_embeddings"] = max_position_embeddings;
    config["rope_scaling"] = scaling;
    if (original_at_top > 0) config["original_max_position_embeddings"] = original_at_top;
    write_file(folder / "config.json", config.dump());
    return folder.string();
  }

  /// One step of training; its run is in the folder `run`.
  RunResult finetune(const std::string& model, int64_t context, Words more = {}) const {
    fs::remove_all(folder_ / "run");
    Words words{"finetune", "--model",     model,
                "--data",   text(),        "--out",
                run(),      "--context",   std::to_string(context),
                "--steps",  "1",           "--batch",
                "1",        "--lora-rank", "2",
                "--train",  "none",        "--checkpointing",
                "off",      "--attention", "local(chunk=32)"};
    words.insert(words.end(), more.begin(), more.end());
    return run_scca(words);
  }

  std::string text() const { return (folder_ / "text.txt").string(); }
  std::string run() const { return (folder_ / "run").string(); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

 private:
  TemporaryFolder folder_;
};

Json yarn(double factor) {
  return {{"rope_type", "yarn"}, {"factor", factor}, {"original_max_position_embeddings", 64}};
}

Json llama3(double factor) {
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", 64}};
}

Json longrope() {
  return {{"type", "longrope"},
          {"short_factor", std::vector<double>(4, 1.0)},
          {"long_factor", std::vector<double>(4, 3.0)},
          {"original_max_position_embeddings", 64}};
}

const Json kLinear{{"type", "linear"}, {"factor", 4.0}}, kDynamic{{"type", "dynamic"}, {"factor", 4.0}};

/// The line that begins with "RoPE: ", without that; empty where there is none.
std::string rope_line(const RunResult& result) {
  const size_t begin = result.err.find("RoPE: ");
  if (begin == std::string::npos) return "";
  return result.err.substr(begin + 6, result.err.find('\n', begin) - begin - 6);
}

std::string warning(const RunResult& result) {
  const size_t begin = result.err.find("warning: ");
  return begin == std::string::npos ? "" : result.err.substr(begin, result.err.find('\n', begin) - begin);
}

const std::string kBefore =
    "; config.json does not say whether its max_position_embeddings 64 is the length before or after "
    "scaling, taken "
    "as before; if it is after, put \"original_max_position_embeddings\": 16 into it";
const std::string kAfter =
    "; config.json does not say whether its max_position_embeddings 256 is the length before or after "
    "scaling, taken "
    "as before; if it is after, put \"original_max_position_embeddings\": 64 into it";

}  // namespace

TEST_CASE(
    "rope flags: finetune raises the factor of a base that is scaled already, never lowers it, and says so") {
  const Workplace place;
  struct Case {
    std::string name, model;
    int64_t context;
    Words flags;
    std::string line;
  };
  const std::string raised = "; raised from the model's factor 4";
  const std::vector<Case> cases{
      {"none",
       place.model("none", 64, nullptr),
       250,
       {},
       "base length 64, type yarn, factor 4, made for 256 tokens"},
      {"linear by name",
       place.model("none", 64, nullptr),
       250,
       {"--rope", "linear"},
       "base length 64, type linear, factor 4, made for 256 tokens"},
      {"linear, length before scaling",
       place.model("linear-64", 64, kLinear),
       512,
       {},
       "base length 64, type linear, factor 8, made for 512 tokens" + raised + kBefore},
      {"linear, a shorter context",
       place.model("linear-64", 64, kLinear),
       100,
       {},
       "base length 64, type linear, factor 4, made for 256 tokens" + kBefore},
      {"linear by name, a shorter context",
       place.model("linear-64", 64, kLinear),
       100,
       {"--rope", "linear"},
       "base length 64, type linear, factor 4, made for 256 tokens" + kBefore},
      {"linear, length after scaling",
       place.model("linear-256", 256, kLinear),
       512,
       {},
       "base length 256, type linear, factor 4, made for 1024 tokens" + kAfter},
      {"linear, length after scaling, stated",
       place.model("linear-stated", 256, kLinear, 64),
       512,
       {},
       "base length 64, type linear, factor 8, made for 512 tokens" + raised},
      {"dynamic",
       place.model("dynamic", 64, kDynamic),
       512,
       {},
       "base length 64, type dynamic, factor 8, made for 512 tokens" + raised},
      {"yarn, length before scaling",
       place.model("yarn-64", 64, yarn(4)),
       512,
       {},
       "base length 64, type yarn, factor 8, made for 512 tokens" + raised},
      {"yarn, length after scaling",
       place.model("yarn-256", 256, yarn(4)),
       512,
       {},
       "base length 64, type yarn, factor 8, made for 512 tokens" + raised},
      {"llama3, length before scaling",
       place.model("llama3-64", 64, llama3(4)),
       512,
       {},
       "base length 64, type llama3, factor 8, made for 512 tokens" + raised},
      {"llama3, length after scaling",
       place.model("llama3-256", 256, llama3(4)),
       512,
       {},
       "base length 64, type llama3, factor 8, made for 512 tokens" + raised},
      {"longrope within its lists",
       place.model("longrope", 256, longrope()),
       200,
       {},
       "base length 64, type longrope, factor 4, made for 256 tokens"},
      {"another type",
       place.model("yarn-64", 64, yarn(4)),
       512,
       {"--rope", "linear"},
       "base length 64, type linear, factor 8, made for 512 tokens; in place of the model's type yarn, "
       "factor 4"},
      {"a larger factor",
       place.model("yarn-64", 64, yarn(4)),
       128,
       {"--rope-factor", "6"},
       "base length 64, type yarn, factor 6, made for 384 tokens" + raised}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const RunResult result = place.finetune(c.model, c.context, c.flags);
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    CHECK(rope_line(result) == c.line);
    CHECK(warning(result) == "");
    // what the adapter says of itself is what was announced
    const LlamaConfig trained = read_config(place.run() + "/adapter");
    CHECK(c.line.starts_with(describe_rope(trained)));
  }
}

TEST_CASE("rope flags: a factor that is given wins, and a context that it is not enough for is said") {
  const Workplace place;
  const std::string yarned = place.model("yarn", 64, yarn(4));
  const RunResult lowered = place.finetune(yarned, 512, {"--rope-factor", "2"});
  CHECK(lowered.code == 0);
  CHECK(rope_line(lowered) ==
        "base length 64, type yarn, factor 2, made for 128 tokens; lowered from the model's factor 4");
  CHECK(warning(lowered) ==
        "warning: 512 tokens are more than the 128 this model's positions are made for; --rope-factor 8 "
        "stretches "
        "them");
  const RunResult none = place.finetune(yarned, 128, {"--rope", "none"});
  CHECK(none.code == 0);
  CHECK(
      rope_line(none) ==
      "base length 64, type none, factor 1, made for 64 tokens; in place of the model's type yarn, factor 4");
  CHECK(warning(none).ends_with("; --rope yarn --rope-factor 2 stretches them"));
}

TEST_CASE("rope flags: what each type makes of a model, by its row") {
  const Workplace place;
  const LlamaConfig plain = read_config(place.model("plain", 64, nullptr)),
                    lists = read_config(place.model("longrope", 256, longrope()));
  for (const RopeRow& row : rope_rows()) {
    CAPTURE(std::string(row.name));
    ModelFlags type_alone, both;
    type_alone.rope = both.rope = row.name;
    both.rope_factor = 8;
    if (row.one_length)
      CHECK(error_of([&] { with_rope_flags(plain, both, 0); }) ==
            concat("--rope ", row.name,
                   ": it divides by the lists short_factor and long_factor of config.json, and this model's "
                   "has none; choose another type, or add them there"));
    const LlamaConfig& given = row.one_length ? lists : plain;
    if (!row.has_factor()) {
      CHECK(error_of([&] { with_rope_flags(given, both, 0); }) ==
            concat("--rope-factor 8: --rope ", row.name, " has no factor"));
      CHECK(with_rope_flags(given, type_alone, 0).rope == given.rope);
      continue;
    }
    const LlamaConfig scaled = with_rope_flags(given, both, 0);
    CHECK(scaled.rope.type == row.type);
    CHECK(scaled.rope.factor == 8);
    CHECK(rope_lengths(scaled).made_for == 8 * 64);
    // a length in place of the factor
    if (row.type != given.rope.type)
      CHECK(error_of([&] { with_rope_flags(given, type_alone, 0); }) ==
            concat("--rope ", row.name, " needs --rope-factor"));
    const std::string refused = error_of([&] { check_extension(given, type_alone, 500); });
    CHECK(refused.starts_with(row.one_length
                                  ? concat("--context 500: this model's ", row.name, " has lists of divisors")
                                  : "no error"));
    CHECK(rope_lengths(with_rope_flags(given, type_alone, 500)).made_for >= (row.one_length ? 256 : 500));
    // and what is advised where it is too short
    CHECK(rope_advice(scaled, 1000) == (row.one_length ? "" : "--rope-factor 16"));
  }
}

TEST_CASE("rope flags: what can't be stretched is refused before anything is made") {
  const Workplace place;
  const std::string lists = place.model("longrope", 256, longrope()),
                    plain = place.model("plain", 64, nullptr);
  const RunResult refused = place.finetune(lists, 300);
  CHECK(refused.code == 2);
  CHECK(refused.one_error_line());
  CHECK(refused.err.find("--context 300: this model's longrope has lists of divisors for 256 tokens") !=
        std::string::npos);
  CHECK(!fs::exists(place.run()));
  const RunResult study =
      run_scca({"study", "--model", lists, "--data", place.text(), "--eval-data", place.text(), "--out",
                place.run(), "--context", "300", "--steps", "1", "--patterns", "local"});
  CHECK(study.code == 2);
  CHECK(study.one_error_line());
  CHECK(study.err.find("--context 300: this model's longrope") != std::string::npos);
  CHECK(!fs::exists(place.run()));
  for (const std::string factor : {"nan", "-nan", "inf", "0", "0.5", "-4", "4x", "", "1e7", "1e400"}) {
    CAPTURE(factor);
    const RunResult wrong = place.finetune(plain, 100, {"--rope-factor=" + factor});
    CHECK(wrong.code == 2);
    CHECK(wrong.one_error_line());
    CHECK(wrong.err.find("--rope-factor") != std::string::npos);
    CHECK(!fs::exists(place.run()));
  }
}

TEST_CASE("rope flags: an extended model that was merged is extended again by its own type") {
  const Workplace place;
  for (const std::string type : {"linear", "dynamic", "yarn", "llama3", "ntk"}) {
    CAPTURE(type);
    const std::string plain = place.model("plain", 64, nullptr), merged = place.path("merged-" + type);
    REQUIRE(place.finetune(plain, 200, {"--rope", type}).code == 0);
    const RunResult merge =
        run_scca({"merge", "--model", plain, "--adapter", place.run() + "/adapter", "--out", merged});
    REQUIRE(merge.code == 0);
    // ntk has become another theta: a base of its own, for the context that it was trained at
    CHECK(rope_line(merge).starts_with(type == "ntk"
                                           ? "base length 200, type none, factor 1, made for 200"
                                           : "base length 64, type " + type + ", factor 4, made for 2"));
    const RunResult again = place.finetune(merged, 500);
    REQUIRE(again.code == 0);
    if (type == "ntk") {
      CHECK(rope_line(again) == "base length 200, type yarn, factor 3, made for 600 tokens");
      continue;
    }
    CHECK(rope_line(again).starts_with("base length 64, type " + type + ", factor "));
    CHECK(rope_line(again).ends_with("; raised from the model's factor 4"));
    const LlamaConfig trained = read_config(place.run() + "/adapter");
    CHECK(rope_lengths(trained).made_for >= 500);
    CHECK(trained.rope.factor >= 8);
    CHECK(trained.rope.factor <= 10);
  }
}

TEST_CASE("rope flags: a warning's advice keeps the type, and with it there is no warning") {
  const Workplace place;
  const std::vector<std::pair<std::string, std::string>> models{
      {place.model("none", 64, nullptr), "--rope yarn --rope-factor 5"},
      {place.model("linear", 64, kLinear), "--rope-factor 5"},
      {place.model("dynamic", 64, kDynamic), "--rope-factor 5"},
      {place.model("yarn", 64, yarn(4)), "--rope-factor 5"},
      {place.model("llama3", 64, llama3(4)), "--rope-factor 5"},
      {place.model("longrope", 256, longrope()), ""}};
  for (const auto& [model, advice] : models) {
    CAPTURE(model);
    const auto eval = [&](const Words& more) {
      Words words{"eval",      "--model", model,          "--data", place.text(),
                  "--context", "320",     "--max-tokens", "320",    "--json"};
      words.insert(words.end(), more.begin(), more.end());
      return run_scca(words);
    };
    const RunResult plain = eval({});
    CHECK(plain.code == 0);
    CHECK(rope_line(plain) != "");
    if (advice.empty()) {
      CHECK(warning(plain).ends_with("made for; its longrope has lists for no more"));
      continue;
    }
    CHECK(warning(plain).ends_with("made for; " + advice + " stretches them"));
    Words flags;
    for (size_t begin = 0; begin < advice.size();) {
      const size_t end = std::min(advice.find(' ', begin), advice.size());
      flags.push_back(advice.substr(begin, end - begin));
      begin = end + 1;
    }
    const RunResult stretched = eval(flags);
    CHECK(stretched.code == 0);
    CHECK(warning(stretched) == "");
  }
}

TEST_CASE("rope flags: every command that runs a model says what its positions are made for") {
  const Workplace place;
  const std::string model = place.model("yarn", 64, yarn(16));
  const std::string line = "base length 64, type yarn, factor 16, made for 1024 tokens";
  CHECK(run_scca({"logits", "--model", model, "--ids", "1,2,3"}).err ==
        "");  // for programs: only what is changed
  CHECK(rope_line(run_scca({"logits", "--model", model, "--ids", "1,2,3", "--rope-factor", "8"})) ==
        "base length 64, type yarn, factor 8, made for 512 tokens; lowered from the model's factor 16");
  const std::vector<Words> commands{
      {"generate", "--model", model, "--prompt", "Once", "--max-tokens", "2"},
      {"eval", "--model", model, "--data", place.text(), "--context", "64", "--max-tokens", "128"},
      {"eval", "recall", "--model", model, "--data", place.text(), "--context", "128", "--passages", "1"},
      {"eval", "passkey", "--model", model, "--lengths", "300", "--trials", "1", "--depths", "50"},
      {"eval", "ruler", "--model", model, "--lengths", "600", "--trials", "1", "--tasks", "niah_single_1"}};
  for (const Words& words : commands) {
    CAPTURE(words[1]);
    const RunResult result = run_scca(words);
    CAPTURE(result.err);
    CHECK(result.code == 0);
    CHECK(rope_line(result) == line);
    CHECK(warning(result) == "");
  }
}

TEST_CASE("rope flags: generate beyond the pretrained length says what logits says of the same ids") {
  const Workplace place;
  for (const auto& [name, scaling] :
       std::vector<std::pair<std::string, Json>>{{"dynamic", kDynamic}, {"longrope", longrope()}}) {
    CAPTURE(name);
    const std::string model = place.model(name, name == "longrope" ? 256 : 64, scaling);
    std::string prompt = "Once upon a time";
    for (int i = 0; i < 8; ++i) prompt += ", there was a big cat";
    const nlohmann::json text =
        run_scca({"generate", "--model", model, "--prompt", prompt, "--bos", "on", "--max-tokens", "30",
                  "--temperature", "0", "--ignore-eos", "--json"})
            .json();
    std::vector<int> ids = text["prompt_ids"].get<std::vector<int>>();
    REQUIRE(ids.size() < 64);
    REQUIRE(ids.size() + 30 > 70);
    for (const int next : text["ids"].get<std::vector<int>>()) {
      if (ids.size() > 60 && ids.size() < 72) {
        std::string list;
        for (const int id : ids) list += (list.empty() ? "" : ",") + std::to_string(id);
        const auto logits = run_scca({"logits", "--model", model, "--ids", list, "--json"})
                                .json()["logits"][0]
                                .get<std::vector<double>>();
        const double best = *std::ranges::max_element(logits);
        CHECK(logits[static_cast<size_t>(next)] >= best - 1e-3);
      }
      ids.push_back(next);
    }
  }
}

TEST_CASE("rope flags: an attention that depends on the length is refused before anything is generated") {
  const Workplace place;
  const std::string model = place.model("plain", 512, nullptr);
  for (const Words& words : std::vector<Words>{
           {"generate", "--model", model, "--prompt", "Once", "--attention", "scca-fixed"},
           {"eval", "passkey", "--model", model, "--lengths", "300", "--attention", "scca-fixed"},
           {"eval", "ruler", "--model", model, "--lengths", "600", "--tasks", "niah_single_1", "--attention",
            "scca-fixed"}}) {
    CAPTURE(words[1]);
    const RunResult result = run_scca(words);
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(result.err.find("give lengths in tokens, as scca-fixed(chunk=128)") != std::string::npos);
  }
}

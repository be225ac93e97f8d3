// What a command prints reaches its reader, or the command fails: every command and form against a full disk
// and a closed stdout; and closed descriptors, which must become no file of ours.
#include "train/cli/standard_streams.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

void full_disk() { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); }
void no_stdout() { close(STDOUT_FILENO); }

Words words(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

struct Workplace {
  Workplace() {
    std::ofstream file(data);
    for (int i = 0; i < 100; ++i)
      file << "Tim had " << i << " red balls. He gave " << i % 7 << " to Lily and " << i % 11 << " to Ben.\n";
    nlohmann::json sample{{"input", "Who?"}, {"context", "Tim had a ball."}, {"answers", {"Tim"}},
                          {"length", 4},     {"dataset", "qasper"},          {"language", "en"},
                          {"_id", "1"},      {"all_classes", nullptr}};
    std::ofstream(folder / "qasper.jsonl") << sample.dump() << "\n";
  }

  /// Each command that prints figures, in each of its forms.
  std::vector<Words> forms() const {
    const std::string model = " --model " + kModel, text = " --data " + data;
    std::vector<Words> all;
    for (const std::string& line :
         {"tokenize --text Tim" + model, "tokenize --decode 346,306" + model,
          "generate --prompt Tim --max-tokens 3" + model, "logits --ids 1,2" + model,
          "attention --text Tim --layer 0 --head 0" + model, "eval --context 129" + text + model,
          "eval recall --context 256 --passages 1" + text + model,
          "eval passkey --lengths 256 --trials 1 --depths 50" + model,
          "eval ruler --lengths 500 --trials 1 --tasks niah_single_1" + model,
          "eval longbench --context 300 --data " + (folder / "qasper.jsonl").string() + model,
          "compare " + losses + " " + losses,
          "plan-memory --context 64 --model-config " + kModel + "/config.json", std::string("info"),
          std::string("bench profile --context 33")})
      for (const char* form : {"", " --json"}) all.push_back(words(line + form));
    for (const std::string& line :
         {std::string("patterns full --tokens 3 --heads 1"), std::string("patterns"),
          std::string("patterns --json"), std::string("version"), std::string("--version"),
          std::string("help"), std::string("help eval recall"), std::string("--help"),
          "eval patterns --context 33 --patterns full,local --parts 0 --max-tokens 100 --out " +
              (folder / "patterns").string() + text + model,
          "study --context 33 --patterns full --seeds 1 --steps 1 --lengths 33 --eval-tokens 100 "
          "--passkey-trials 0 "
          "--recall-passages 0 --eval-data " +
              data + " --out " + (folder / "study").string() + text + model})
      all.push_back(words(line));
    return all;
  }

  TemporaryFolder folder;
  std::string data = (folder / "data.txt").string(), losses = (folder / "losses").string();
};

/// The names in train/commands' registration lines, at least one a file.
std::vector<std::string> registered_commands() {
  std::vector<std::string> names;
  const std::regex line("const RegisterCommand \\w+\\(\\s*\"([^\"]+)\"");
  for (const auto& file : fs::directory_iterator(std::string(SCCA_SOURCE_DIR) + "/train/commands")) {
    if (file.path().extension() != ".cpp") continue;
    const std::string text = read_text_file(file.path());
    const size_t before = names.size();
    for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at)
      names.push_back((*at)[1]);
    CAPTURE(file.path().string());
    CHECK(names.size() > before);
  }
  return names;
}

bool fails_for_stdout(const RunResult& result) {
  return result.code == 1 && result.err.find("stdout cannot be written") != std::string::npos;
}

}  // namespace

TEST_CASE("standard_streams: what cannot be printed is an error of every command and form") {
  const Workplace place;
  REQUIRE(run_scca({"eval", "--model", kModel, "--data", place.data, "--context", "33", "--max-tokens", "99",
                    "--save-losses", place.losses})
              .code == 0);
  std::set<std::string> seen;  // each command's first word, and its first two
  for (const Words& form : place.forms()) {
    CAPTURE(form[0]);
    CAPTURE(form.back());
    const RunResult full = RunningScca(form, 0, full_disk).wait();
    CAPTURE(full.err);
    CHECK(fails_for_stdout(full));
    seen.insert(form[0]);
    if (form.size() > 1) seen.insert(form[0] + " " + form[1]);
  }
  CHECK(fs::exists(place.folder / "study" / "study.html"));
  for (const std::string& name : registered_commands()) {
    CAPTURE(name);
    // These print no figures; bench scale, which does, takes minutes, and so does bench, of which profile is
    // tried.
    const bool silent =
        std::set<std::string>{"finetune", "pretrain", "merge", "export", "prompts", "bench scale"}.contains(
            name);
    CHECK(seen.contains(name) != silent);
    CHECK(fails_for_stdout(RunningScca(words(name + " --help"), 0, full_disk).wait()));
  }
}

TEST_CASE("standard_streams: a closed stdout is noticed by who prints, and only then") {
  const Workplace place;
  CHECK(fails_for_stdout(RunningScca({"--version"}, 0, no_stdout).wait()));
  CHECK(fails_for_stdout(
      RunningScca({"logits", "--model", kModel, "--ids", "1", "--json"}, 0, no_stdout).wait()));
  const RunResult silent =
      RunningScca({"prompts", "passkey", "--model", kModel, "--min-tokens", "200", "--max-tokens", "200",
                   "--count", "1", "--out", (place.folder / "p.jsonl").string()},
                  0, no_stdout)
          .wait();
  CHECK(silent.code == 0);
}

TEST_CASE("standard_streams: generation ends when nobody reads it") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  RunningScca run(
      {"generate", "--model", kModel, "--prompt", "Tim", "--max-tokens", "100000", "--ignore-eos"}, 0,
      [write_end = ends[1]] { dup2(write_end, STDOUT_FILENO); });
  close(ends[1]);
  char some[2];
  CHECK(read(ends[0], some, sizeof some) > 0);
  close(ends[0]);
  CHECK(run.until([&] { return run.ended(); }));
  CHECK(fails_for_stdout(run.wait()));
}

TEST_CASE("standard_streams: closed descriptors become no file of the run") {
  const Workplace place;
  for (const std::vector<int>& closed : {std::vector{0, 1, 2}, {1, 2}, {0, 2}, {2}}) {
    const std::string out = (place.folder / concat("run-", closed.size(), closed[0])).string();
    RunningScca run(words("finetune --model " + kModel + " --data " + place.data + " --out " + out +
                          " --context 33 --steps 3 --save-every 1"),
                    0, [&] {
                      for (const int descriptor : closed) close(descriptor);
                    });
    CHECK(run.wait().code == 0);
    std::ifstream metrics(out + "/metrics.jsonl");
    int lines = 0;
    for (std::string line; std::getline(metrics, line); ++lines) {
      const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
      CHECK((json.is_object() && json.value("step", 0) == lines + 1));
    }
    CHECK(lines == 3);
  }
}

// eval passkey, eval ruler and prompts as a user runs them.
#include <doctest/doctest.h>

#include "models/tokenizer/tokenizer.h"
#include "tests/run_scca.h"
#include "train/data/documents.h"

using namespace scca;
using namespace scca::test;
using nlohmann::json;

namespace {

const std::string kModel = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";

std::vector<json> lines_of(const std::filesystem::path& file) {
  std::vector<json> lines;
  std::istringstream in(read_text_file(file));
  for (std::string line; std::getline(in, line);) lines.push_back(json::parse(line));
  return lines;
}

}  // namespace

TEST_CASE("eval passkey: JSON, a picture, and the same again as a table") {
  const TemporaryFolder folder;
  const std::string png = (folder / "p.png").string();
  const std::vector<std::string> flags{"eval",    "passkey",  "--model", kModel,     "--lengths",
                                       "300,410", "--depths", "0,100",   "--trials", "1"};
  std::vector<std::string> more = flags;
  more.insert(more.end(), {"--png", png, "--json"});
  const json result = run_scca(more).json();
  CHECK(result["task"] == "passkey");
  REQUIRE(result["grid"].size() == 4);
  CHECK(result["grid"][2]["length"] == 410);
  CHECK(result["grid"][2]["depth"] == 0);
  CHECK(result["by_length"].size() == 2);
  CHECK(result["accuracy"] == 0);  // a model of stories of 260 k parameters
  CHECK(std::filesystem::file_size(png) > 1000);
  CHECK(run_scca(more).json() == result);
  const RunResult table = run_scca(flags);
  CHECK(table.out ==
        "keys found of 1, by tokens and by the key's depth\n"
        "tokens  0 %  100 %    all\n"
        "300       0      0  0.0 %\n"
        "410       0      0  0.0 %\n");
}

TEST_CASE("eval passkey: beyond the context there is a warning, stretched there is none") {
  const std::vector<std::string> flags{"eval", "passkey",  "--model", kModel,     "--lengths",
                                       "540",  "--depths", "50",      "--trials", "1"};
  CHECK(run_scca(flags).err.find("warning: 540 tokens are more than the 512") != std::string::npos);
  std::vector<std::string> stretched = flags;
  stretched.insert(stretched.end(), {"--rope", "linear", "--bos", "on", "--attention", "window(chunk=64)"});
  const RunResult result = run_scca(stretched);
  CHECK(result.code == 0);
  CHECK(result.err.find("warning") == std::string::npos);
}

TEST_CASE("eval ruler: the tasks asked for, in their order") {
  const TemporaryFolder folder;
  const std::string png = (folder / "r.png").string();
  const std::vector<std::string> flags{"eval",     "ruler",   "--model",           kModel,     "--lengths",
                                       "900,1000", "--tasks", "niah_single_1,fwe", "--trials", "1"};
  std::vector<std::string> more = flags;
  more.insert(more.end(), {"--png", png, "--json"});
  const json result = run_scca(more).json();
  CHECK(result["tasks"] == json{"niah_single_1", "fwe"});
  CHECK(result["trials"] == 1);
  REQUIRE(result["grid"].size() == 4);
  CHECK(result["grid"][3]["task"] == "fwe");
  CHECK(result["grid"][3]["length"] == 1000);
  CHECK(result["grid"][0]["score"] == 0);
  CHECK(result["by_length"].size() == 2);
  CHECK(result["score"].is_number());
  CHECK(std::filesystem::file_size(png) > 1000);
  const RunResult table = run_scca(flags);
  CHECK(table.out.starts_with("RULER's score, 0 to 100, by tokens; 1 prompts each\ntask "));
  CHECK(table.out.find("\nmean ") != std::string::npos);
}

TEST_CASE("prompts: JSONL to train on, of lengths in the range, the same for the same seed") {
  const TemporaryFolder folder;
  const auto prompts = [&](const std::string& name, const std::string& seed) {
    const RunResult result =
        run_scca({"prompts", "passkey", "--model", kModel, "--min-tokens", "300", "--max-tokens", "450",
                  "--count", "30", "--seed", seed, "--out", (folder / name).string()});
    CHECK(result.code == 0);
    CHECK(result.out.empty());
    return lines_of(folder / name);
  };
  const std::vector<json> lines = prompts("a.jsonl", "3");
  const Tokenizer tokenizer{std::filesystem::path(kModel)};
  REQUIRE(lines.size() == 30);
  int64_t shortest = 1000, longest = 0;
  for (const json& line : lines) {
    const std::string prompt = line["prompt"], text = line["text"];
    CHECK(text == prompt + " " + line["answers"][0].get<std::string>() + ".");
    const int64_t length = line["length"];
    shortest = std::min(shortest, length), longest = std::max(longest, length);
    CHECK(std::ssize(tokenizer.encode(text)) <= length);
    CHECK(line["depth"].get<int64_t>() >= 0);
    CHECK(line["depth"].get<int64_t>() <= 100);
  }
  CHECK(shortest >= 300);
  CHECK(shortest < 330);
  CHECK(longest > 420);
  CHECK(longest <= 450);
  CHECK(prompts("b.jsonl", "3") == lines);
  CHECK(prompts("c.jsonl", "4") != lines);
  std::vector<std::string> documents;
  for_each_document(folder / "a.jsonl", [&](const Document& document) { documents.push_back(document.text); });
  REQUIRE(documents.size() == 30);
  CHECK(documents[7] == lines[7]["text"]);
  run_scca({"prompts", "vt", "--model", kModel, "--min-tokens", "1500", "--max-tokens", "1500", "--count",
            "1", "--out", (folder / "v.jsonl").string()});
  CHECK(lines_of(folder / "v.jsonl").at(0)["depth"].is_null());
}

TEST_CASE("retrieval commands explain themselves") {
  CHECK(run_scca({"eval", "passkey", "--help"}).out.find("--depths") != std::string::npos);
  CHECK(run_scca({"eval", "ruler", "--help"}).out.find("niah_multikey_3") != std::string::npos);
  CHECK(run_scca({"prompts", "--help"}).out.find("fwe: the three most frequent") != std::string::npos);
}

TEST_CASE("retrieval commands: a mistake is one line that says what to do, and an exit code") {
  const TemporaryFolder folder;
  const std::string out = (folder / "x.jsonl").string();
  struct Case {
    std::vector<std::string> arguments;
    int code;
    std::string expected;  // in the line
  };
  const std::vector<Case> cases{
      {{"eval", "passkye"}, 2, "passkey"},
      {{"eval", "passkey", "--model", kModel}, 2, "--lengths is required"},
      {{"eval", "passkey", "--model", kModel, "--lengths", "512", "--depht", "5"},
       2,
       "did you mean --depths?"},
      {{"eval", "passkey", "--model", kModel, "--lengths", "512,x"}, 2, "--lengths"},
      {{"eval", "passkey", "--model", kModel, "--lengths", "512", "--depths", "101"}, 2, "--depths: 101"},
      {{"eval", "passkey", "--model", kModel, "--lengths", "50"}, 2, "passkey: a length of 50 is too short"},
      {{"eval", "passkey", "--model", kModel, "--lengths", "512", "--trials", "0"}, 2, "--trials 0"},
      {{"eval", "passkey", "--model", "/nowhere", "--lengths", "512"}, 1, "/nowhere"},
      {{"eval", "ruler", "--model", kModel, "--lengths", "512", "--tasks", "nia"}, 2, "unknown task 'nia'"},
      {{"eval", "ruler", "--model", kModel, "--lengths", "512", "--tasks", "vt,vt"}, 2, "vt is given twice"},
      {{"eval", "ruler", "--model", kModel, "--lengths", "512", "--tasks", "passkey"},
       2,
       "see scca eval passkey --help"},
      {{"eval", "ruler", "--model", kModel, "--lengths", "900,80", "--tasks", "fwe"},
       2,
       "fwe: a length of 80 is too short"},
      {{"prompts", "paskey", "--model", kModel, "--min-tokens", "512", "--max-tokens", "600", "--out", out},
       2,
       "unknown task 'paskey', did you mean 'passkey'?"},
      {{"prompts", "passkey", "--model", kModel, "--min-tokens", "512", "--max-tokens", "60", "--out", out},
       2,
       "--max-tokens 60: expected --min-tokens (512) or more"},
      {{"prompts", "passkey", "--model", kModel, "--min-tokens", "60", "--max-tokens", "600", "--out", out},
       2,
       "a length of 60 is too short"},
      {{"prompts", "passkey", "--model", kModel, "--min-tokens", "400", "--max-tokens", "600", "--count", "0",
        "--out", out},
       2,
       "--count 0"},
      {{"prompts", "passkey", "--model", kModel, "--min-tokens", "400", "--max-tokens", "600", "--out",
        "/nowhere/x.jsonl"},
       1,
       "/nowhere/x.jsonl"},
  };
  for (const Case& c : cases) {
    const RunResult result = run_scca(c.arguments);
    CAPTURE(c.expected);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(result.one_error_line());
    CHECK(result.err.find(c.expected) != std::string::npos);
  }
  CHECK(folder.names().empty());
}

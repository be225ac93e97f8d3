#include <doctest/doctest.h>

#include "core/file.h"
#include "nn/json.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::string kModel = SCCA_SOURCE_DIR "/tests/data/stories260K";

Json evaluated(std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"eval", "--model", kModel, "--json"});
  const RunResult result = run_scca(flags);
  CAPTURE(result.err);
  REQUIRE(result.code == 0);
  return result.json();
}

std::string error(std::vector<std::string> flags) {
  flags.insert(flags.begin(),
               {"eval", "--model", kModel, "--data", kModel + "/README.md", "--context", "16"});
  const RunResult result = run_scca(flags);
  CHECK(result.code != 0);
  return result.err;
}

}  // namespace

TEST_CASE("eval: packed documents have the loss that they have alone") {
  const TemporaryFolder folder;
  const std::vector<std::string> texts = {
      "Once upon a time there was a girl.", "The dog ran.",
      "Lily and Tim went to the park. They saw a big red ball and wanted to play with it."};
  double sum = 0;
  int64_t tokens = 0, all = 0;
  std::string lines;
  for (const std::string& text : texts) {
    const std::string file = folder / "one.jsonl", line = Json{{"text", text}}.dump() + "\n";
    lines += line;
    write_file(file, line);
    // The longest context that the document fills: its tokens.
    const RunResult whole = run_scca({"eval", "--model", kModel, "--data", file, "--context", "4096"});
    const size_t at = whole.err.find("the data has ");
    REQUIRE(at != std::string::npos);
    const std::string length = whole.err.substr(at + 13, whole.err.find(' ', at + 13) - at - 13);
    const Json alone = evaluated({"--data", file, "--context", length});
    CHECK(alone["tokens"] == std::stoll(length) - 1);
    sum += alone["nll"].get<double>() * alone["tokens"].get<double>();
    tokens += alone["tokens"].get<int64_t>();
    all += std::stoll(length);
  }
  write_file(folder / "all.jsonl", lines);
  const std::vector<std::string> flags = {"--data", folder / "all.jsonl", "--context", std::to_string(all)};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), flags.begin(), flags.end());
    return evaluated(more);
  };
  const Json packed = with({"--pack", "documents"}), rows = with({"--pack", "rows"}), plain = with({});
  CHECK(packed["tokens"] == tokens);
  CHECK(packed["nll"].get<double>() == doctest::Approx(sum / static_cast<double>(tokens)).epsilon(1e-6));
  CHECK(rows == plain);
  CHECK(plain["tokens"] == all - 1);
  // Under a pattern too, and of the first tokens alone, whose last document is cut.
  CHECK(with({"--pack", "documents", "--attention", "window(chunk=4)"})["tokens"] == tokens);
  const Json first = evaluated(
      {"--data", folder / "all.jsonl", "--context", "20", "--max-tokens", "20", "--pack", "documents"});
  CHECK(first["tokens"].get<int64_t>() < 19);
}

TEST_CASE("eval: what does not go with packed documents is refused in a line") {
  CHECK(error({"--pack", "documents", "--mode", "sliding"})
            .find("--pack documents goes with --mode windows and no --stride") != std::string::npos);
  CHECK(error({"--pack", "documents", "--stride", "8"}).find("--pack documents goes with") !=
        std::string::npos);
  CHECK(error({"--pack", "documents", "--bos", "windows"}).find("not before windows") != std::string::npos);
  CHECK(error({"--pack", "documents", "--save-losses", "x"}).find("--save-losses goes with --pack rows") !=
        std::string::npos);
  CHECK(error({"--pack", "texts"}).find("--pack") != std::string::npos);
}

// Patterns in place of a model's own attention: what is scored, and that going on changes nothing that is
// there.
#include "train/study/approximation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "tests/run_scca.h"
#include "tests/train/study/small_study.h"
#include "train/study/contents.h"

using namespace scca;
using namespace scca::test;

namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

ApproximationSettings asked(const Words& patterns) {
  ApproximationSettings s;
  s.model.model = kModel;
  s.patterns = patterns;
  s.lengths = {33, 17};
  s.out = "nowhere";
  return s;
}

struct Workplace {
  Workplace() { write_texts("Tim"); }
  void write_texts(const std::string& name) const {
    std::ofstream file(data);
    for (int i = 0; i < 8; ++i)
      file << nlohmann::json{{"text", concat(name, " had ", i, " red balls. He gave ", i % 7, " to Lily and ",
                                             i % 5, " to his old friend Ben, who was sad.")}}
           << "\n";
  }
  RunResult run(const Words& more) const {
    Words words{"eval", "patterns", "--model", kModel, "--data", data, "--context", "17,33", "--out", out};
    words.insert(words.end(), more.begin(), more.end());
    return run_scca(words);
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(out))
      if (entry.is_regular_file())
        found[fs::relative(entry.path(), out).string()] = read_text_file(entry.path());
    return found;
  }

  TemporaryFolder folder;
  std::string data = (folder / "texts.jsonl").string(), out = (folder / "out").string();
};

}  // namespace

TEST_CASE(
    "approximation: each pattern in all layers at each length, and in each part of the depth at the "
    "longest") {
  const Approximation a = plan_approximation(asked({"local(chunk=5)", "full", "full@0;window(chunk=4)"}));
  CHECK(a.reference == "full");
  CHECK(a.made_for == 512);
  Words cells;
  for (const ApproximationCell& c : a.cells)
    cells.push_back(concat(c.length, " ", c.part, " ", c.first, "-", c.end, " ", c.attention));
  // The model has 5 layers; what names layers itself has no parts.
  CHECK(cells == Words{"17 0 0-5 full", "17 0 0-5 local(chunk=5)", "17 0 0-5 full@0;window(chunk=4)",
                       "33 0 0-5 full", "33 0 0-5 local(chunk=5)", "33 0 0-5 full@0;window(chunk=4)",
                       "33 1 0-1 local(chunk=5)@0;full", "33 2 1-3 local(chunk=5)@1,2;full",
                       "33 3 3-5 local(chunk=5)@3,4;full"});
  const Words every = plan_approximation(asked({})).settings.patterns;  // tests register others beside them
  const auto has = [&](const std::string& name) { return std::ranges::count(every, name); };
  for (const char* name : {"dilated", "local", "longmixed", "s2", "scca-fixed", "scca-flow", "sda", "window"})
    CHECK_MESSAGE(has(name) == 1, name);
  CHECK(has("full") == 0);  // the reference
  CHECK(has("mix") == 0);   // which needs parameters
}

TEST_CASE("approximation: settings without a meaning") {
  CHECK_THROWS_WITH_AS(plan_approximation(asked({"full"})),
                       doctest::Contains("--patterns: names only full, the model's own attention"),
                       UsageError);
  const auto message = [](const ApproximationSettings& s) {
    return error_of([&] { plan_approximation(s); });
  };
  ApproximationSettings s = asked({"local"});
  s.parts = 6;
  CHECK(message(s) == "--parts 6: expected 0, or 2 to the model's 5 layers");
  s.parts = 1;
  CHECK(contains(message(s), "--parts 1: expected 0"));
  s = asked({"local"});
  s.lengths = {17, 17};
  CHECK(message(s) == "--context: names a length twice");
  s.lengths = {1, 17};
  CHECK(message(s) == "--context 1: expected at least 2 tokens");
  CHECK(contains(message(asked({"local", "local"})), "--patterns: 'local' would share "));
  CHECK(contains(message(asked({"full@9;local"})), "names layer 9, but the model has 5"));
  CHECK(contains(message(asked({"no-such"})), "unknown pattern 'no-such'"));
}

TEST_CASE("approximation: its figures are those of scca eval and scca compare, and a stopped one goes on") {
  Workplace place;
  const Words patterns{"--patterns", "local(chunk=5),window(chunk=99)", "--parts", "2"};
  const RunResult first = place.run(patterns);
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const auto files = place.files();
  for (const char* part :
       {"## Is the order settled?", "## By position", "## By depth", "over 8 documents", "| local(chunk=5) |",
        "pictures/length.png", "pictures/position.png", "pictures/depth.png"})
    CHECK_MESSAGE(contains(files.at("patterns.md"), part), part);
  CHECK(!contains(files.at("patterns.md"), "seed:"));
  CHECK(!contains(files.at("patterns.md"), "positions are made for"));
  CHECK(contains(files.at("patterns.html"), "data:image/png;base64,iVBOR"));

  const auto eval = [&](const std::string& attention, const std::string& name) {
    const std::string losses = (place.folder / name).string();
    return std::pair{losses, run_scca({"eval", "--model", kModel, "--data", place.data, "--context", "33",
                                       "--attention", attention, "--save-losses", losses, "--json"})
                                 .json()};
  };
  const auto [of_full, full] = eval("full", "full");
  const auto [of_local, local] = eval("local(chunk=5)@2,3,4;full", "local");
  const nlohmann::json compared = run_scca({"compare", of_local, of_full, "--json"}).json();
  ApproximationSettings s = asked({"local(chunk=5)", "window(chunk=99)"});
  s.parts = 2;
  s.out = place.out;
  const Approximation planned = plan_approximation(s);
  for (const ApproximationResult& r : read_approximation(planned)) {
    CAPTURE(r.cell->attention);
    if (r.cell->length == 33 && r.cell->attention == "full") CHECK(r.evaluation.nll == full["nll"]);
    if (r.cell->attention == "window(chunk=99)") {  // sees all
      CHECK(std::abs(r.above.mean) < 1e-6);
    }
    if (r.cell->part != 2 || r.cell->pattern != "local(chunk=5)") continue;
    CHECK(r.evaluation.nll == local["nll"]);
    CHECK(r.above.mean == compared["difference"]);
    CHECK(r.above.mean != 0);
    CHECK(r.above.standard_error == compared["standard_error"]);
    CHECK(r.above.clusters == 8);
    REQUIRE(r.by_position.size() == 1);
    CHECK(r.by_position[0].mean == r.above.mean);
    CHECK(contains(files.at("patterns.csv"),
                   concat("local(chunk=5),\"local(chunk=5)@2,3,4;full\",2,4,33,0,33,", local["nll"].dump())));
  }

  SUBCASE("what is missing alone is made, to the bit; patterns may change") {
    CHECK(contains(place.run(patterns).err, "is there already; go on with it with --resume"));
    const fs::path lost = planned.cells.back().file;
    REQUIRE(fs::remove(lost));
    const fs::path kept = planned.cells.front().file;
    const auto before = fs::last_write_time(kept);
    Words resumed = patterns;
    resumed.push_back("--resume");
    REQUIRE(place.run(resumed).code == 0);
    CHECK(place.files() == files);
    CHECK(fs::last_write_time(kept) == before);
    CHECK(place.run({"--patterns", "s2(chunk=8)", "--parts", "0", "--resume"}).code == 0);
  }
  SUBCASE("cells of another text or RoPE are not taken for these") {
    Words resumed = patterns;
    resumed.push_back("--resume");
    place.write_texts("Tom");
    const RunResult text = place.run(resumed);
    CHECK(text.code == 2);
    CHECK(text.one_error_line());
    CHECK(contains(text.err, "its cells were made with another tokens"));
    place.write_texts("Tim");
    for (const char* word : {"--rope", "linear", "--rope-factor", "2"}) resumed.push_back(word);
    CHECK(contains(place.run(resumed).err, "its cells were made with another rope"));
  }
  SUBCASE("a damaged cell is named") {
    const fs::path file = planned.cells[1].file;
    std::string text = read_text_file(file);
    text[text.find_first_of("23456789", text.size() / 2)] ^= 1;
    std::ofstream(file, std::ios::binary) << text;
    Words resumed = patterns;
    resumed.push_back("--resume");
    const RunResult result = place.run(resumed);
    CHECK(result.code == 1);
    CHECK(contains(result.err, file.string()));
    CHECK(contains(result.err, "it is damaged: remove"));
  }
}

TEST_CASE("approximation: a plan file that holds another plan has cells of its own") {
  const TemporaryFolder folder;
  const std::string plan = folder / "plan.json";
  const auto cells = [&](const std::string& spec) {
    write_file(plan, run_scca({"patterns", spec, "--tokens", "33", "--heads", "8", "--json"}).out);
    ApproximationSettings settings = asked({"@" + plan});
    settings.lengths = {33};
    settings.parts = 0;
    std::vector<fs::path> files;
    for (const ApproximationCell& cell : plan_approximation(settings).cells) files.push_back(cell.file);
    REQUIRE(files.size() == 2);
    return files;
  };
  const auto local = cells("local"), dilated = cells("dilated");
  CHECK(cells("local") == local);
  CHECK(local[0] == dilated[0]);  // the model's own
  CHECK(local[1] != dilated[1]);
}

TEST_CASE("approximation: too little text is told before anything is made") {
  const Workplace place;
  const RunResult result = place.run({"--context", "3000"});
  CHECK(result.code == 1);
  CHECK(result.one_error_line());
  CHECK(contains(result.err, "expected at least 6000 for two windows of 3000"));
  CHECK(!fs::exists(place.out));
}

TEST_CASE("approximation: octaves of the position are those of scca compare") {
  const Workplace place;
  std::ofstream text(place.data + ".txt");
  for (int i = 0; i < 60; ++i) text << "Tim had " << i << " red balls and gave " << i % 7 << " to Lily.\n";
  text.close();
  const std::string data = place.data + ".txt";
  REQUIRE(run_scca({"eval", "patterns", "--model", kModel, "--data", data, "--context", "300", "--patterns",
                    "local(chunk=5)", "--parts", "0", "--max-tokens", "600", "--out", place.out})
              .code == 0);
  Words files;
  for (const char* attention : {"local(chunk=5)", "full"}) {
    files.push_back((place.folder / attention).string());
    run_scca({"eval", "--model", kModel, "--data", data, "--context", "300", "--max-tokens", "600",
              "--attention", attention, "--save-losses", files.back()});
  }
  const nlohmann::json compared = run_scca({"compare", files[0], files[1], "--json"}).json()["by_position"];
  ApproximationSettings s = asked({"local(chunk=5)"});
  s.lengths = {300};
  s.parts = 0;
  s.out = place.out;
  const Approximation planned = plan_approximation(s);
  const ApproximationResult local = read_approximation(planned).at(1);
  REQUIRE(local.by_position.size() == 2);
  for (size_t i = 0; i < 2; ++i) CHECK(local.by_position[i].mean == compared[i]["difference"]);
}

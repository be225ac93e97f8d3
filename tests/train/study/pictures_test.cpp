// The pictures of a study, looked at as a reader does: the same line for a row in all of them.
#include <doctest/doctest.h>

#include <fstream>

#include "tests/picture_check.h"
#include "tests/run_scca.h"
#include "train/report/look.h"

using namespace scca;

namespace {

struct SmallStudy {
  SmallStudy() {
    std::ofstream file(text);
    for (int i = 0; i < 200; ++i) file << "Tim had " << i << " red balls. He gave " << i % 7 << " to Ben.\n";
    file.close();
    const std::string model = std::string(SCCA_SOURCE_DIR) + "/tests/data/stories260K";
    run = test::run_scca({"study",  "--model",       model, "--data",
                          text,     "--eval-data",   text,  "--context",
                          "200",    "--batch",       "1",   "--steps",
                          "2",      "--seeds",       "1",   "--patterns",
                          patterns, "--out",         out,   "--lengths",
                          "200",    "--warmup",      "1",   "--passkey-trials",
                          "1",      "--eval-tokens", "600", "--recall-passages",
                          "1"});
  }
  PngPixels picture(const std::string& name) const { return PngPixels(out + "/pictures/" + name); }

  // Two rows of one pattern, the second of which is dotted wherever it is drawn.
  std::string patterns = "full,scca-fixed(chunk=31),scca-fixed(chunk=80),longmixed";
  test::TemporaryFolder folder;
  std::string text = (folder / "tim.txt").string(), out = (folder / "study").string();
  test::RunResult run;
};

}  // namespace

TEST_CASE("study pictures: a row has one colour in all of them, though its place in them differs") {
  const SmallStudy study;
  CAPTURE(study.run.err);
  REQUIRE(study.run.code == 0);
  const Color fixed = look_of("scca-fixed").color, longmixed = look_of("longmixed").color;
  for (const char* name : {"position.png", "position-difference.png", "loss.png", "recall.png"}) {
    CAPTURE(name);
    CHECK(study.picture(name).count(fixed) > 500);
    CHECK(study.picture(name).count(longmixed) > 150);
  }
  // The reference is not drawn, and the first line of a chart has no colour by its place.
  CHECK(study.picture("position-difference.png").count(colors::kSeries[0]) == 0);
  // Heat maps show the line beside the row, or before the title.
  CHECK(study.picture("passkey.png").count(longmixed) > 60);
  CHECK(study.picture("passkey-longmixed.png").count(longmixed) > 60);
  CHECK(study.picture("passkey-full.png").count(look_of("full").color) > 100);
}

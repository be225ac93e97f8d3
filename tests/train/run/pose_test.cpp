// PoSE's positions, and a training with them as a user meets it. The model is stories260K.
#include "train/run/pose.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "core/check.h"
#include "core/random.h"
#include "tests/train/workplace.h"
#include "train/run/settings.h"

using namespace scca;
using namespace scca::test;

namespace {

TrainSettings pose(int64_t context, int64_t target) {
  TrainSettings train;
  train.context = context;
  train.positions = "pose";
  train.target_context = target;
  return train;
}

nlohmann::json config_of(const Workplace& place, const std::string& run) {
  return nlohmann::json::parse(read_text_file(place.folder / run / "config.json"));
}

/// Where the second part begins, and how far it was moved: found from the positions alone.
std::pair<int64_t, int64_t> cut_and_gap(const std::vector<int64_t>& positions) {
  for (size_t t = 1; t < positions.size(); ++t)
    if (positions[t] != positions[t - 1] + 1)
      return {static_cast<int64_t>(t), positions[t] - positions[t - 1] - 1};
  return {0, 0};
}

}  // namespace

TEST_CASE("pose: two parts of consecutive positions, the second behind a gap, all of them in the text") {
  std::set<int64_t> cuts, gaps, lasts;
  for (int64_t place = 0; place < 2000; ++place) {
    const std::vector<int64_t> positions = pose_positions(7, place, 5, 9);
    REQUIRE(positions.size() == 5);
    CHECK(positions[0] == 0);
    const auto [cut, gap] = cut_and_gap(positions);
    for (int64_t t = 0; t < 5; ++t)
      CHECK(positions[static_cast<size_t>(t)] == (t < cut || gap == 0 ? t : gap + t));
    if (gap > 0) cuts.insert(cut);
    gaps.insert(gap);
    lasts.insert(positions.back());
  }
  CHECK(cuts == std::set<int64_t>{1, 2, 3, 4});
  CHECK(gaps == std::set<int64_t>{0, 1, 2, 3, 4});
  CHECK(lasts == std::set<int64_t>{4, 5, 6, 7, 8});  // the text's last position is learned too
}

TEST_CASE("pose: a function of the seed and the place alone, drawn as the header says") {
  CHECK(pose_positions(1, 3, 64, 4096) == pose_positions(1, 3, 64, 4096));
  CHECK(pose_positions(1, 3, 64, 4096) != pose_positions(2, 3, 64, 4096));
  CHECK(pose_positions(1, 3, 64, 4096) != pose_positions(1, 4, 64, 4096));
  const auto [cut, gap] = cut_and_gap(pose_positions(5, 11, 64, 4096));
  const Philox bits = philox(uint64_t{5} ^ 0x706f73652d726f77u, 11);
  CHECK(cut == 1 + static_cast<int64_t>(((uint64_t{bits[0]} << 32) | bits[1]) % 63));
  CHECK(gap == static_cast<int64_t>(((uint64_t{bits[2]} << 32) | bits[3]) % 4033));
  CHECK_THROWS_AS(pose_positions(1, 0, 1, 8), Error);
  CHECK_THROWS_AS(pose_positions(1, 0, 9, 8), Error);
}

TEST_CASE("pose: each row of a batch has the positions of its place in the order of training") {
  RowBatch batch{.ids = Tensor::empty({3, 8}, DType::i32), .targets = Tensor::empty({3, 8}, DType::i32)};
  place_rows(batch, TrainSettings{}, 5);
  CHECK(batch.positions.empty());
  TrainSettings train = pose(8, 100);
  train.seed = 4;
  place_rows(batch, train, 5);
  CHECK(batch.length == 100);
  REQUIRE(batch.positions.size() == 24);
  for (int64_t row = 0; row < 3; ++row) {
    const auto begin = batch.positions.begin() + row * 8;
    CHECK(std::vector<int64_t>(begin, begin + 8) == pose_positions(4, 5 + row, 8, 100));
  }
}

TEST_CASE("pose: what is missing or does not go together is refused by its flag") {
  const auto error = [](const TrainSettings& train) { return error_of([&] { check_pose(train); }); };
  CHECK(error(TrainSettings{}) == "no error");
  CHECK(error(pose(64, 64)) == "no error");
  CHECK(error(pose(64, 63)).starts_with("--positions pose with --target-context 63 and --context 64: "));
  CHECK(error(pose(64, 0)).starts_with("--positions pose with --target-context 0"));
  TrainSettings rows = pose(64, 128);
  rows.positions = "rows";
  CHECK(error(rows).starts_with("--target-context 128 goes with --positions pose alone"));
  TrainSettings packed = pose(64, 128);
  packed.pack = "documents";
  CHECK(error(packed).starts_with("--positions pose and --pack documents: "));
}

TEST_CASE("pose: in a text no longer than the row it is plain training under full attention, to the bit") {
  const Workplace place;
  const Words plain{"--attention", "full"};
  REQUIRE(run_scca(place.finetune("plain", 4, plain)).code == 0);
  const nlohmann::json config = config_of(place, "plain");
  CHECK(!config.contains("positions"));  // so that a run from before there were any is resumed
  const std::string context = std::to_string(config["context"].get<int64_t>());
  REQUIRE(run_scca(place.finetune("pose", 4, {"--positions", "pose", "--target-context", context})).code ==
          0);
  CHECK(place.metrics("pose") == place.metrics("plain"));
  CHECK(place.adapter("pose") == place.adapter("plain"));
}

TEST_CASE("pose: every step has gaps of its own") {
  const Workplace place;
  const std::string one_row = (place.folder / "row.txt").string();
  {
    std::ofstream file(one_row);
    for (int i = 0; i < 6; ++i) file << "Tim had " << i << " red balls.\n";
  }
  const auto spread = [&](const std::string& run, const Words& more) {
    Words words = with(place.finetune(run, 4, more), "--data", one_row);
    words = with(with(words, "--lora-dropout", "0"), "--lr", "1e-12");  // the losses differ by the rows alone
    REQUIRE(run_scca(words).code == 0);
    double least = 1e9, most = 0;
    for (const std::string& line : place.metrics(run)) {
      const double loss = nlohmann::json::parse(line)["loss"].get<double>();
      least = std::min(least, loss);
      most = std::max(most, loss);
    }
    return most - least;
  };
  CHECK(spread("plain", {"--attention", "full"}) < 1e-5);
  CHECK(spread("pose", {"--positions", "pose", "--target-context", "2k"}) > 1e-3);
}

TEST_CASE(
    "pose: a run says it, is made for the long text, goes on to the same bits, and keeps its settings") {
  const Workplace place;
  const Words more{"--positions", "pose", "--target-context", "2k"};
  const RunResult whole = run_scca(place.finetune("whole", 6, more));
  REQUIRE(whole.code == 0);
  CHECK(contains(whole.err, "at positions of 2048 (PoSE, one gap a row)"));
  CHECK(contains(whole.err, "attention full"));
  CHECK(contains(whole.err, "--context 2048"));  // of the commands to go on with
  const nlohmann::json config = config_of(place, "whole");
  CHECK(config["positions"] == "pose");
  CHECK(config["target_context"] == 2048);
  CHECK(config["attention"] == "full");
  CHECK(config["rope_factor"] == 4);  // the base is made for 512
  CHECK(contains(read_text_file(place.folder / "whole" / "adapter" / "README.md"), "for 2048 tokens"));

  REQUIRE(run_scca(place.finetune("parts", 3, more)).code == 0);
  Words resumed = more;
  resumed.push_back("--resume");
  REQUIRE(run_scca(place.finetune("parts", 6, resumed)).code == 0);
  CHECK(place.metrics("parts") == place.metrics("whole"));
  CHECK(place.adapter("parts") == place.adapter("whole"));

  REQUIRE(run_scca(place.finetune("plain", 6, {"--attention", "full", "--rope-factor", "4"})).code == 0);
  CHECK(place.metrics("plain") != place.metrics("whole"));
  const RunResult other = run_scca(place.finetune("parts", 7, {"--resume", "--attention", "full"}));
  CHECK(other.code == 2);
  CHECK(contains(other.err, "parts began with"));
  const RunResult alone = run_scca(place.finetune("none", 6, {"--positions", "pose"}));
  CHECK(alone.code == 2);
  CHECK(alone.one_error_line());
}

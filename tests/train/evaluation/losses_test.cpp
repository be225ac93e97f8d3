#include "train/evaluation/losses.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("losses: a paired difference has the standard error of its windows' means") {
  const Losses a{4, Tensor::of<float>({1, 2, 3, 2, 2, 2}, {2, 3}), "x"},
      b{4, Tensor::of<float>({1, 1, 1, 1, 2, 3}, {2, 3}), "x"};
  const PairedDifference d = paired_difference(a, b);  // window means of the difference: 1 and 0
  CHECK(d.mean == doctest::Approx(0.5));
  CHECK(d.standard_error == doctest::Approx(std::sqrt(0.5 / 2)));
  CHECK(d.tokens == 6);
  CHECK(paired_difference(a, b, 2, 3).mean == doctest::Approx(0.5));  // last column: 2 and -1
  CHECK(a.mean(0, 2) == doctest::Approx(1.75));
}

TEST_CASE("losses: files keep them, and refuse what is something else") {
  const TemporaryFolder folder;
  const Losses a{4, Tensor::of<float>({1, 2, 3, 2, 2, 2}, {2, 3}), "ids 7"};
  write_losses(folder.path() / "a.safetensors", a);
  const Losses back = read_losses(folder.path() / "a.safetensors");
  CHECK(back.context == 4);
  CHECK(back.data == "ids 7");
  CHECK(back.nll.to_vector<float>() == a.nll.to_vector<float>());
  Losses other = back;
  other.data = "ids 8";
  CHECK_THROWS_WITH_AS(paired_difference(a, other),
                       "compare: the two did not score the same tokens: [2, 3] of ids 7 and [2, 3] of ids 8",
                       Error);
}

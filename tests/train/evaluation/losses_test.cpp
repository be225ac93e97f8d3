#include "train/evaluation/losses.h"

#include <doctest/doctest.h>

#include "models/files/safetensors.h"
#include "tests/temporary_folder.h"

using namespace scca;
using namespace scca::test;

TEST_CASE("losses: the mean of columns") {
  const Losses a{4, Tensor::of<float>({1, 2, 3, 2, 2, 2}, {2, 3}), "x"};
  CHECK(a.mean(0, 2) == doctest::Approx(1.75));
  CHECK(a.mean(2, 3) == doctest::Approx(2.5));
}

TEST_CASE("losses: files keep them, and refuse what is something else") {
  const TemporaryFolder folder;
  const Losses a{4, Tensor::of<float>({1, 2, 3, 2, 2, 2}, {2, 3}), "ids 7"};
  write_losses(folder.path() / "a.safetensors", a);
  const Losses back = read_losses(folder.path() / "a.safetensors");
  CHECK(back.context == 4);
  CHECK(back.data == "ids 7");
  CHECK(back.nll.to_vector<float>() == a.nll.to_vector<float>());
  CHECK(back.document.empty());
  Losses documents = a;
  documents.document = {0, 0, 5, 5, 1, 16777215};
  write_losses(folder.path() / "b.safetensors", documents);
  CHECK(read_losses(folder.path() / "b.safetensors").document == documents.document);
  documents.document[0] = 1 << 24;
  CHECK(error_of([&] { write_losses(folder.path() / "c.safetensors", documents); }) ==
        "losses: more than 16777216 documents; judge on fewer");
  write_safetensors(folder.path() / "d.safetensors",
                    {{"nll", a.nll}, {"document", Tensor::full({2, 3}, 0.5, DType::f32)}},
                    {{"context", "4"}, {"data", "x"}});
  CHECK(error_of([&] { read_losses(folder.path() / "d.safetensors"); }) ==
        (folder.path() / "d.safetensors").string() + ": document is 0.5, expected whole numbers from 0 on");
}

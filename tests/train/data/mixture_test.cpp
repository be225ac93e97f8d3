#include "train/data/mixture.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::error_of;
using scca::test::TemporaryFolder;

TEST_CASE("mixture: paths without weights are one text, with weights each its own") {
  auto plain = mixture_of({"a", "b,c"}, "--data");
  REQUIRE(plain.size() == 1);
  CHECK(plain[0].paths == std::vector<std::string>{"a", "b,c"});
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"a=0.7", "b=2e-1"}, {"a=0.7,b=0.2"}}) {
    const auto mixed = mixture_of(words, "--data");
    REQUIRE(mixed.size() == 2);
    CHECK(mixed[0].paths == std::vector<std::string>{"a"});
    CHECK(mixed[0].weight == 0.7);
    CHECK(mixed[1].paths == std::vector<std::string>{"b"});
    CHECK(mixed[1].weight == 0.2);
  }
  const auto comma = mixture_of({"a,b=1,c=2"}, "--data");
  REQUIRE(comma.size() == 2);
  CHECK(comma[0].paths == std::vector<std::string>{"a,b"});
}

TEST_CASE("mixture: a file may be called as it likes") {
  const TemporaryFolder folder;
  const std::string name = folder / "x=1,y=2";
  write_file(name, "text");
  CHECK(mixture_of({name}, "--data")[0].paths == std::vector<std::string>{name});
  CHECK(mixture_of({name + "=3"}, "--data")[0].weight == 3);
}

TEST_CASE("mixture: what is no weight, and a weight for some alone") {
  for (const char* word : {"a=0", "a=-1", "a=x", "a=", "=1", "a=nan", "a=inf"}) {
    CAPTURE(word);
    CHECK(error_of([&] { mixture_of({word}, "--data"); }) ==
          std::string("--data: '") + word + "' is no file, and no PATH=WEIGHT with a number above 0");
  }
  CHECK(error_of([] {
          mixture_of({"a=1", "b"}, "--data");
        }) == "--data: b has no weight and a has; give each one, PATH=WEIGHT, or none");
}

#include "models/adapter_base.h"

#include <doctest/doctest.h>

#include "models/fingerprint.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

/// (Designated initialisers draw a false -Wmaybe-uninitialized from GCC 12.)
AdapterInfo made_on(const std::string& base, const std::string& fingerprint = "") {
  AdapterInfo info;
  info.base_model = base;
  info.base_fingerprint = fingerprint;
  return info;
}

}  // namespace

TEST_CASE("adapter base: without a fingerprint the name decides, however it is written") {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& named, const std::string& lies_in) {
    return other_base(made_on(named), folder / lies_in) != "";
  };
  for (const std::string named : {"meta-llama/Llama-2-7b-hf", "/models/Llama-2-7b-hf/", "Llama-2-7b-hf",
                                  "llama-2-7B-HF", "./x/../Llama-2-7b-hf", ""}) {
    CAPTURE(named);
    CHECK(!said(named, "Llama-2-7b-hf"));
    CHECK(!said(named, "Llama-2-7b-hf/"));
    CHECK(!said(named, "models--meta-llama--Llama-2-7b-hf/snapshots/01b2"));
  }
  for (const std::string named : {"meta-llama/Llama-2-13b-hf", "meta-llama", "Llama-2-7b"})
    CHECK(said(named, "Llama-2-7b-hf"));
  CHECK(other_base(made_on("a/b"), "/x/c") ==
        "the adapter names \"a/b\" as its base, and nothing tells whether /x/c is the same");
}

TEST_CASE("adapter base: the fingerprint decides where there is one") {
  const std::string base = SCCA_SOURCE_DIR "/tests/golden/gqa_tied";
  const std::string print = fingerprint_of(Weights(base)).to_string();
  const auto said = [&](const std::string& name, const std::string& fingerprint) {
    return other_base(made_on(name, fingerprint), base);
  };
  CHECK(said("gqa_tied", print) == "");
  CHECK(said("somewhere/else", print) == "");  // moved, or renamed
  CHECK(said("gqa_tied", "0123") ==
        "the adapter was made on other weights: \"gqa_tied\", fingerprint 0123; " + base + " has " + print);
}

// The fuzzer's own entry: scca_fuzz --target=NAME CORPUS_FOLDER [libFuzzer's flags]. libFuzzer brings main().
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <typeinfo>

#include "tests/fuzz/fuzz.h"

namespace {

const scca::test::FuzzTarget* chosen = nullptr;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr char kFlag[] = "--target=";
  for (int i = 1; i < *argc; ++i) {
    if (std::strncmp((*argv)[i], kFlag, sizeof kFlag - 1) != 0) continue;
    for (const auto& target : scca::test::fuzz_targets())
      if (target.name == (*argv)[i] + sizeof kFlag - 1) chosen = &target;
  }
  if (chosen) return 0;
  std::fputs("scca_fuzz: say --target=NAME, one of:", stderr);
  for (const auto& target : scca::test::fuzz_targets()) std::fprintf(stderr, " %s", target.name.c_str());
  std::fputs("\n", stderr);
  std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  try {
    scca::test::run_fuzz(*chosen, {reinterpret_cast<const char*>(data), size});
  } catch (const std::exception& error) {  // the sanitizers catch the rest
    std::fprintf(stderr, "%s: %s: %s\n", chosen->name.c_str(), typeid(error).name(), error.what());
    std::abort();
  }
  return 0;
}

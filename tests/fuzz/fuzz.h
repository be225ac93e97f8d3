#pragma once
// Fuzz targets: functions that take any bytes, as a stranger's file might hold. A target may throw
// scca::Error (bad input is refused in one line) and nothing else; what it accepts must keep the target's own
// promise, or it throws Broken. tests/fuzz.sh runs them under libFuzzer with ASan and UBSan; fuzz_test.cpp
// runs their corpus with the other tests.
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.h"

namespace scca::test {

/// A promise that an accepted input breaks: what the fuzzer looks for. Not an Error, which is a legal answer.
struct Broken : std::logic_error {
  using std::logic_error::logic_error;
};

/// Throws Broken with the remaining arguments as its message.
template <class... Parts>
void promise(bool kept, const Parts&... parts) {
  if (!kept) throw Broken(concat(parts...));
}

struct FuzzTarget {
  std::string name;
  void (*take)(std::string_view input);
};

/// All targets, in the order of their names.
const std::vector<FuzzTarget>& fuzz_targets();

/// The registration line of a target: const RegisterFuzz line("config", take);
struct RegisterFuzz {
  RegisterFuzz(std::string name, void (*take)(std::string_view));
};

/// Hands `input` to the target. True: accepted. False: refused by an Error, whose message must be one line of
/// printable text that quotes only a part of a large input. Whatever else is thrown goes on to the caller.
bool run_fuzz(const FuzzTarget& target, std::string_view input);

/// A file in memory whose content changes from input to input, for readers that want a path.
class InputFile {
 public:
  InputFile();
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(std::string_view content) const;

 private:
  int descriptor_;
  std::filesystem::path path_;
};

/// Takes the front of `input` off: one byte as a number from 0 to `most`, 0 at the end.
int64_t take_number(std::string_view& input, int64_t most);

}  // namespace scca::test

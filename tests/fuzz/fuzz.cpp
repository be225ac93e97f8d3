#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace scca::test {
namespace {

std::vector<FuzzTarget>& registered() {
  static std::vector<FuzzTarget> all;
  return all;
}

/// A refusal is for a person's eyes: it fits on a screen whatever the input holds.
constexpr size_t kLongestMessage = 4000;

void check_message(const std::string& message) {
  promise(!message.empty(), "an error without words");
  promise(message.size() <= kLongestMessage, "an error of ", message.size(),
          " bytes: ", message.substr(0, 200));
}

}  // namespace

const std::vector<FuzzTarget>& fuzz_targets() {
  std::sort(registered().begin(), registered().end(),
            [](const FuzzTarget& a, const FuzzTarget& b) { return a.name < b.name; });
  return registered();
}

RegisterFuzz::RegisterFuzz(std::string name, void (*take)(std::string_view)) {
  registered().push_back({std::move(name), take});
}

bool run_fuzz(const FuzzTarget& target, std::string_view input) {
  try {
    target.take(input);
    return true;
  } catch (const Error& error) {
    check_message(error.what());
    return false;
  }
}

InputFile::InputFile() : descriptor_(::memfd_create("input", MFD_CLOEXEC)) {
  SCCA_CHECK(descriptor_ >= 0, "fuzz: memfd_create failed");
  path_ = concat("/proc/self/fd/", descriptor_);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::write(std::string_view content) const {
  const bool written =
      ::ftruncate(descriptor_, 0) == 0 &&
      ::pwrite(descriptor_, content.data(), content.size(), 0) == static_cast<ssize_t>(content.size());
  SCCA_CHECK(written, "fuzz: the input of ", content.size(), " bytes cannot be kept");
}

int64_t take_number(std::string_view& input, int64_t most) {
  if (input.empty()) return 0;
  const int64_t value = static_cast<unsigned char>(input.front()) % (most + 1);
  input.remove_prefix(1);
  return value;
}

}  // namespace scca::test

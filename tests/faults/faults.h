#pragma once
// File calls that go wrong in the programs that a test starts.
#include <cstdlib>
#include <string>

namespace scca::test {

/// While it lives, programs that are started run under tests/faults/file_faults.cpp with this SCCA_FAULT.
class Faults {
 public:
  explicit Faults(const std::string& fault) {
    setenv("SCCA_FAULT", fault.c_str(), 1);
    setenv("LD_PRELOAD", SCCA_FILE_FAULTS, 1);
    // AddressSanitizer wants to be the first library.
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
  }
  ~Faults() {
    for (const char* name : {"SCCA_FAULT", "LD_PRELOAD", "ASAN_OPTIONS"}) unsetenv(name);
  }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
};

}  // namespace scca::test

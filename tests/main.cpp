#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>

#include "core/device.h"
#include "core/storage.h"
#include "tests/op_check.h"

int main(int argc, char** argv) {
  // A kernel that reads what nobody wrote shows itself. A checker of initialised memory wants it as it is.
  scca::fill_fresh_storage_with_nan(std::getenv("SCCA_TESTS_WITHOUT_NAN") == nullptr);
  const int result = doctest::Context(argc, argv).run();
  if (const int64_t skipped = scca::test::checks_without_device())
    std::cout << "skipped for want of a device: " << skipped << " checks ("
              << scca::why_unusable(scca::Device::cuda) << ")\n";
  return result;
}

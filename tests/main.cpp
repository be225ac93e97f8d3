#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "core/storage.h"

int main(int argc, char** argv) {
  scca::fill_fresh_storage_with_nan(true);  // a kernel that reads what nobody wrote shows itself
  return doctest::Context(argc, argv).run();
}

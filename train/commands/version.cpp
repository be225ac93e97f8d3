// scca version: for who types it as a word; the flag says the same.
#include <iostream>

#include "train/cli/command.h"

namespace scca {
namespace {

Action set_up(CLI::App&) {
  return [] {
    std::cout << "scca " SCCA_VERSION "\n";
    return 0;
  };
}

const RegisterCommand line("version", "Print the version", set_up, "scca version");

}  // namespace
}  // namespace scca

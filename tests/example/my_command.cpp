// A subcommand from outside scca's tree: holds every pattern of this program against its predicate.
#include <iostream>

#include "nn/patterns/check_plan.h"
#include "train/cli/command.h"

namespace {

using namespace scca;

int check_all() {
  for (const PatternEntry& entry : registered_patterns()) check_pattern(entry);
  std::cout << registered_patterns().size() << " patterns: plan equals predicate\n";
  return 0;
}

const RegisterCommand line("check-patterns", "Hold the plan of every pattern against its predicate",
                           [](CLI::App&) -> Action { return check_all; });

}  // namespace

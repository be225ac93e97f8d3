// A subcommand from outside scca's tree: holds every pattern of this program against its predicate.
#include <iostream>

#include "nn/patterns/check_plan.h"
#include "train/cli/command.h"

namespace {

using namespace scca;

int check_all() {
  for (const PatternEntry& entry : registered_patterns()) check_pattern(entry);
  for (const PatternEntry& entry : registered_patterns())
    if (entry.name == "dna2d")  // an image's, which is used in both directions
      for (const std::string& example : entry.examples)
        for (const int64_t tokens : {1, 31, 64, 129}) check_plan(*parse_pattern(example), {tokens, 2}, false);
  check_plan(*parse_pattern("dna2d(radius=2)"), {81, 2}, false);  // of a square image, which says its columns
  std::cout << registered_patterns().size() << " patterns: plan equals predicate\n";
  return 0;
}

const RegisterCommand line("check-patterns", "Hold the plan of every pattern against its predicate",
                           [](CLI::App&) -> Action { return check_all; });

}  // namespace

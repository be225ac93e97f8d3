#include "train/cli/threads_flag.h"

#include <string>

#include "core/check.h"
#include "core/threads.h"
#include "train/cli/flag_values.h"
#include "train/cli/help.h"
#include "train/report/messages.h"

namespace scca {
namespace {

constexpr const char* kFlag = "--threads";
constexpr int64_t kMostThreads = 1024;

}  // namespace

void add_threads_flag(CLI::App& app) {
  app.add_option(kFlag)
      ->description(
          "Threads that compute (default: $OMP_NUM_THREADS, or the CPUs that this program may keep busy)")
      ->type_size(1)
      ->transform(whole_number(kMostThreads))
      ->group(section::kMachine);
}

void obey_threads_flag(const CLI::App& command) {
  const CLI::Option* flag = command.get_option_no_throw(kFlag);
  if (!flag || flag->count() == 0) return use_threads(0);
  const auto threads = flag->as<int64_t>();
  if (threads < 1) fail<UsageError>(kFlag, " ", threads, ": expected 1 or more");
  if (threads > usable_cpus())
    note(concat(kFlag, " ", threads, ": this program may keep ", usable_cpus(),
                " CPUs busy; more threads than that wait for each other"));
  use_threads(threads);
}

}  // namespace scca

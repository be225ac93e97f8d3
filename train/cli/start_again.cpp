#include "train/cli/start_again.h"

#ifdef __linux__
#include <sys/auxv.h>
#include <unistd.h>
#endif

#include "train/cli/cpu_build.h"
#include "train/cli/spin_bound.h"

namespace scca {

void start_again(char** argv) {
#ifdef __linux__
  // By the name that the kernel was given, so that ps shows the same one. Without an interpreter it is that
  // of the dynamic loader itself, which somebody called by hand.
  const auto* program = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (!program || getauxval(AT_BASE) == 0) return;
  const std::string build = build_for_cpu(program);
  if (bound_spinning() || build != program) execv(build.c_str(), argv);
#else
  (void)argv;
#endif
}

}  // namespace scca

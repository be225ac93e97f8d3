#include "train/cli/spin_bound.h"

#ifdef __linux__
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#endif

namespace scca {
namespace {

constexpr const char* kVariable = "GOMP_SPINCOUNT";
constexpr const char* kTurns = "1000";

}  // namespace

void bound_spinning(char** argv) {
#if defined(__linux__) && !defined(__clang__)
  if (std::getenv(kVariable) || std::getenv("OMP_WAIT_POLICY")) return;  // the second time, too
  // By the name that the kernel was given, so that ps shows the same one. Without an interpreter it is that
  // of the dynamic loader itself, which somebody called by hand.
  const auto* program = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (!program || getauxval(AT_BASE) == 0) return;
  if (setenv(kVariable, kTurns, 0) == 0) execv(program, argv);
#else
  (void)argv;
#endif
}

}  // namespace scca

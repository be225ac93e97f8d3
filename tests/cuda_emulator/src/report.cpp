// One line that says what went wrong, who did it and where; then abort, as a debugger or a test runner
// expects.
#include <cxxabi.h>
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "internal.h"

namespace cuemu {
namespace {

struct Place {
  std::string function, line;              // of the code itself
  std::string outer_function, outer_line;  // of the function that it was inlined into, else the same
};

/// By addr2line (dladdr does not know a kernel in an anonymous namespace); empty where it does not say.
Place look_up(const void* address) {
  Dl_info info{};
  if (!dladdr(address, &info) || !info.dli_fname) return {};
  const auto offset = reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(info.dli_fbase);
  char program[4096];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  if (length <= 0) return {};
  program[length] = 0;
  char command[4400];
  std::snprintf(command, sizeof command, "addr2line -Cife '%s' 0x%zx 2>/dev/null", program, offset);
  std::FILE* pipe = popen(command, "r");
  if (!pipe) return {};
  Place place;
  char text[4096];
  for (int i = 0; std::fgets(text, sizeof text, pipe);
       ++i) {  // function and line by turns, from the inside out
    const std::string line(text, std::strcspn(text, "\n"));
    if (i == 0) place.function = line;
    if (i == 1) place.line = line;
    (i % 2 == 0 ? place.outer_function : place.outer_line) = line;
  }
  pclose(pipe);
  return place;
}

/// "ops/rms_norm.cu:57" of any path: folder and file say enough.
std::string short_place(std::string_view place) {
  size_t from = place.rfind('/');
  if (from != std::string_view::npos && from > 0) from = place.rfind('/', from - 1);
  if (from != std::string_view::npos) place.remove_prefix(from + 1);
  return std::string(place.substr(0, place.find(" (")));  // addr2line adds "(discriminator 3)"
}

std::string text(uint3 v) {
  return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")";
}

struct sigaction previous;

/// The host touched device memory, a thread's stack is too small, or a plain wild pointer; then whoever was
/// asked before.
void on_segmentation_fault(int signal, siginfo_t* info, void*) {
  const void* address = info->si_addr;
  static bool explained = false;
  if (!explained) {
    explained = true;
    std::string line;
    if (!running && arena.contains(address)) {
      line = "the host's own code touches device memory: " + describe_address(address) +
             "; only a kernel or cudaMemcpy may";
    } else if (running && stacks().contains(address)) {
      line = "in " + kernel_name(block.launch->kernel) + ", " + thread_name(running->id) +
             ": local memory beyond the stack of " + std::to_string(Stacks::kBytes >> 10) + " KiB";
    } else if (running) {
      line = "in " + kernel_name(block.launch->kernel) + ", " + thread_name(running->id) +
             ": an address that is no memory";
    }
    if (!line.empty()) std::fprintf(stderr, "CUDA emulator: %s\n", line.c_str());
  }
  sigaction(signal, &previous, nullptr);  // returning repeats the access, under the old handler
}

}  // namespace

std::string plural(int64_t n, const char* noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string describe(Site site) { return short_place(site.file_name()) + ":" + std::to_string(site.line()); }

std::string describe_kernel(const void* kernel) {
  const Place place = look_up(kernel);
  const std::string line = short_place(place.outer_line);
  return line.substr(0, line.rfind(':')) + " " + place.outer_function;
}

std::string describe_code(const void* return_address) {
  const Place place = look_up(static_cast<const char*>(return_address) - 1);
  if (place.line.empty() || place.line[0] == '?') return "an unknown line";
  const std::string inner = short_place(place.line), outer = short_place(place.outer_line);
  return inner == outer ? inner : inner + " from " + outer;
}

std::string kernel_name(const void* function) {
  std::string name = look_up(function).outer_function;  // a kernel may begin with what was inlined
  if (name.empty() || name[0] == '?') return "a kernel";
  if (name.rfind("void ", 0) == 0) name.erase(0, 5);
  int depth = 0;
  for (size_t i = 0; i < name.size(); ++i) {  // the name without its parameters: up to "(" outside any "<>"
    depth += (name[i] == '<') - (name[i] == '>');
    if (name[i] == '(' && depth == 0 && name.compare(i, 21, "(anonymous namespace)") != 0)
      return name.substr(0, i);
  }
  return name;
}

std::string thread_name(int id) { return "thread " + text(block.thread[id].index); }

void fatal(const std::string& what) {
  check::paused = true;
  std::fprintf(stderr, "CUDA emulator: %s\n", what.c_str());
  std::fflush(stderr);
  std::abort();
}

void fault(const Thread& thread, const std::string& what, const std::string& where) {
  check::paused = true;
  fatal(kernel_name(block.launch->kernel) + ", block " + text(blockIdx) + ", " + thread_name(thread.id) +
        ": " + what + " (" + where + ")");
}

void explain_segmentation_faults() {
  struct sigaction mine {};
  struct sigaction now {};
  sigaction(SIGSEGV, nullptr, &now);
  if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_segmentation_fault) return;
  previous = now;
  mine.sa_sigaction = on_segmentation_fault;
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK;
  static char stack[64 << 10];
  stack_t alternate{};
  sigaltstack(nullptr, &alternate);
  if (alternate.ss_flags & SS_DISABLE) {
    alternate = {stack, 0, sizeof stack};
    sigaltstack(&alternate, nullptr);
  }
  sigaction(SIGSEGV, &mine, nullptr);
}

}  // namespace cuemu

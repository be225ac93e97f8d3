// What was run, and what was not. For the table of tests/static: list_launch. For mutation: a kernel from
// which one barrier or wait is gone must fail its tests.
//   CUEMU_LIST_SYNCS=FILE        appends each place met: "ops/rms_norm.cu:57 __syncthreads"
//   CUEMU_SKIP_SYNC=ops/x.cu:57  that place does nothing
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "internal.h"

namespace cuemu {
namespace {

const char* listing = std::getenv("CUEMU_LIST_SYNCS");
const char* skipping = std::getenv("CUEMU_SKIP_SYNC");

bool ends_with(const std::string& text, const char* end) {
  const size_t n = std::strlen(end);
  return text.size() >= n && text.compare(text.size() - n, n, end) == 0;
}

}  // namespace

bool watching_sites = listing || skipping;

bool skip_slowly(Site site, const char* what) {
  static std::set<std::pair<const char*, unsigned>>* met = new std::set<std::pair<const char*, unsigned>>;
  static std::set<std::pair<const char*, unsigned>>* gone = new std::set<std::pair<const char*, unsigned>>;
  check::paused = true;
  if (met->insert({site.file_name(), site.line()}).second) {
    const std::string place = describe(site);
    if (listing) {
      std::FILE* file = std::fopen(listing, "a");
      if (!file) fatal(std::string("CUEMU_LIST_SYNCS: cannot write ") + listing);
      std::fprintf(file, "%s %s\n", place.c_str(), what);
      std::fclose(file);
    }
    if (skipping && ends_with(place, skipping)) gone->insert({site.file_name(), site.line()});
  }
  const bool skip = !gone->empty() && gone->count({site.file_name(), site.line()});
  check::paused = false;
  return skip;
}

void list_launch(const Launch& launch) {
  static const char* list = std::getenv("CUEMU_LIST_LAUNCHES");
  if (!list) return;
  const dim3 block = launch.config.blockDim;
  const size_t threads = size_t{block.x} * block.y * block.z, bytes = launch.config.dynamicSmemBytes;
  static std::set<std::tuple<const void*, size_t, size_t>>* met =
      new std::set<std::tuple<const void*, size_t, size_t>>;
  if (!met->insert({launch.kernel, threads, bytes}).second) return;
  std::FILE* file = std::fopen(list, "a");
  if (!file) fatal(std::string("CUEMU_LIST_LAUNCHES: cannot write ") + list);
  std::fprintf(file, "%s\t%zu\t%zu\n", describe_kernel(launch.kernel).c_str(), threads, bytes);
  std::fclose(file);
}

}  // namespace cuemu

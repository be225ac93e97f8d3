#include "train/cli/cpu_build.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include "core/file.h"
#include "tests/environment.h"
#include "tests/run_scca.h"

using namespace scca;
using namespace scca::test;

namespace {

const std::vector<std::string> kAscending{"x86-64-v3", "x86-64-v4", "x86-64-v4-bf16"};

/// A program that says which build it is, and what it was given.
void write_build(const std::string& path, const std::string& says, mode_t mode = 0755) {
  write_file(path, "#!/bin/sh\necho " + says + " \"$@\"\n");
  REQUIRE(chmod(path.c_str(), mode) == 0);
}

}  // namespace

TEST_CASE("cpu build: the highest level that there is and that the CPU runs") {
  const TemporaryFolder folder;
  const std::string program = (folder / "program").string();
  write_build(program, "plain");
  std::set<std::string> runs;
  const auto chosen = [&] {
    return build_for_cpu(program, [&](const std::string& level) { return runs.contains(level); });
  };
  runs.insert(kAscending.begin(), kAscending.end());
  CHECK(chosen() == program);
  for (const std::string& level : kAscending) {
    write_build(program + "." + level, level);
    CHECK(chosen() == program + "." + level);
  }
  runs.erase("x86-64-v4-bf16");
  CHECK(chosen() == program + ".x86-64-v4");
  runs = {"x86-64-v3"};
  CHECK(chosen() == program + ".x86-64-v3");
  REQUIRE(chmod((program + ".x86-64-v3").c_str(), 0644) == 0);
  CHECK(chosen() == program);
  REQUIRE(std::filesystem::remove(program + ".x86-64-v3"));
  std::filesystem::create_directory(program + ".x86-64-v3");
  CHECK(chosen() == program);
  runs.clear();
  CHECK(chosen() == program);
}

TEST_CASE("cpu build: a level has all that the one below it has; what nobody knows does not run") {
  for (size_t i = 1; i < kAscending.size(); ++i)
    if (cpu_runs(kAscending[i])) CHECK(cpu_runs(kAscending[i - 1]));
#ifdef __AVX512BF16__
  CHECK(cpu_runs("x86-64-v4-bf16"));
#endif
#ifdef __AVX2__
  CHECK(cpu_runs("x86-64-v3"));
#endif
  CHECK(!cpu_runs("x86-64-v5"));
  CHECK(!cpu_runs(""));
}

#ifdef __linux__
TEST_CASE("cpu build: the program starts the build for this CPU in its place, with its arguments") {
  const TemporaryFolder folder;
  const std::string program = (folder / "scca").string();
  std::filesystem::create_symlink(SCCA_BINARY, program);
  const auto started = [&] {
    const auto by_name = [&] {
      const char* const words[] = {program.c_str(), "version", nullptr};
      execv(program.c_str(), const_cast<char* const*>(words));
    };
    return RunningScca({}, 0, by_name).wait();
  };
  CHECK(started().out == "scca " SCCA_VERSION "\n");
  std::string best;
  for (const std::string& level : kAscending) {
    write_build(program + "." + level, level);
    if (cpu_runs(level)) best = level;
  }
  const std::string expected = best.empty() ? "scca " SCCA_VERSION "\n" : best + " version\n";
  CHECK(started().out == expected);
  {
    const EnvironmentVariable policy("OMP_WAIT_POLICY", "passive");  // where spinning is not bounded
    CHECK(started().out == expected);
  }
  for (const std::string& level : kAscending) {  // executable, and no program
    write_file(program + "." + level, "");
    REQUIRE(chmod((program + "." + level).c_str(), 0755) == 0);
  }
  CHECK(started().out == "scca " SCCA_VERSION "\n");
}
#endif

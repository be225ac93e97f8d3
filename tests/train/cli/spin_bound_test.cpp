// What the real program's OpenMP says that it found in its environment.
#include "train/cli/spin_bound.h"

#include <doctest/doctest.h>
#include <link.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "tests/environment.h"
#include "tests/train/workplace.h"

using namespace scca;
using namespace scca::test;

#ifndef __clang__

namespace {

using Turns = std::vector<std::string>;

/// The turns that each OpenMP of one process took, in order, which it prints to stderr when it is loaded.
Turns turns(const RunResult& result) {
  Turns all;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    const size_t at = line.find("GOMP_SPINCOUNT = '");
    if (at == line.npos) continue;
    const size_t begin = line.find('\'', at) + 1;
    all.push_back(line.substr(begin, line.find('\'', begin) - begin));
  }
  return all;
}

const Words kWords{"tokenize", "--model", kModel, "--text", "Tim"};

/// Of a file of /proc, which tells no size.
std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("spin bound: turns by the time that one takes") {
  const auto turns = [](int us) { return static_cast<double>(turns_in(std::chrono::microseconds(us))); };
  CHECK(turns(160) < 12 * turns(40));
  CHECK(turns(40) < turns(160));
  CHECK(turns(1000000) == 300000);
  CHECK(turns(0) == 1);
#ifdef __x86_64__
  // a pause takes 10 to 140 cycles, at 1 to 6 GHz
  CHECK(turns(40) > 40e-6 / 140e-9 / 2);
  CHECK(turns(40) < 40e-6 / (10 / 6e9));
#endif
}

TEST_CASE("spin bound: threads that wait spin for so many turns, unless the user said something") {
  const EnvironmentVariable told("OMP_DISPLAY_ENV", "verbose");
  const EnvironmentVariable no_policy("OMP_WAIT_POLICY", nullptr), no_count("GOMP_SPINCOUNT", nullptr);
  const RunResult bounded = run_scca(kWords);
  CHECK(bounded.code == 0);
  const Turns both = turns(bounded);
  REQUIRE(both.size() == 2);
  CHECK(both[0] == "300000");
  const double bound = std::stod(both[1]),
               here = static_cast<double>(turns_in(std::chrono::microseconds(40)));
  CHECK(bound < 3 * here);  // measured once more, perhaps on a CPU with another clock
  CHECK(here < 3 * bound);
  {
    const EnvironmentVariable count("GOMP_SPINCOUNT", "4711");
    CHECK(turns(run_scca(kWords)) == Turns{"4711"});
  }
  {
    const EnvironmentVariable policy("OMP_WAIT_POLICY", "passive");
    CHECK(turns(run_scca(kWords)) == Turns{"0"});
  }
}

TEST_CASE("spin bound: the process keeps its number, name, arguments, stdin and exit code") {
  const EnvironmentVariable no_policy("OMP_WAIT_POLICY", nullptr), no_count("GOMP_SPINCOUNT", nullptr);
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const auto read_pipe = [&] { dup2(ends[0], STDIN_FILENO); };
  const std::string prompt = "Tim had a red ball.";
  REQUIRE(write(ends[1], prompt.data(), prompt.size()) == static_cast<ssize_t>(prompt.size()));
  RunningScca scca({"generate", "--model", kModel, "--prompt", "-", "--max-tokens", "3"}, 0, read_pipe);
  const std::string process = "/proc/" + std::to_string(scca.pid());
  CHECK(scca.until([&] {
    const std::string environment = text_of(process + "/environ");
    return contains(environment, "GOMP_SPINCOUNT=");
  }));
  CHECK(text_of(process + "/comm") == "scca\n");
  close(ends[1]);
  close(ends[0]);
  const RunResult result = scca.wait();
  CHECK(result.code == 0);
  CHECK(!result.out.empty());
  CHECK(run_scca({"tokenize", "--text", ""}).code == 2);
}

TEST_CASE("spin bound: a program that cannot be started again goes on as it is") {
  const EnvironmentVariable told("OMP_DISPLAY_ENV", "verbose");
  const EnvironmentVariable no_policy("OMP_WAIT_POLICY", nullptr), no_count("GOMP_SPINCOUNT", nullptr);
  std::string loader;  // by which the program is started by hand, and which would be started in its place
  dl_iterate_phdr(
      [](dl_phdr_info* object, size_t, void* to) {
        const std::string name = object->dlpi_name;
        if (name.find("/ld-") != name.npos) *static_cast<std::string*>(to) = name;
        return 0;
      },
      &loader);
  REQUIRE(!loader.empty());
  const auto by_loader = [&] {
    const char* const words[] = {loader.c_str(), SCCA_BINARY, "version", nullptr};
    execv(loader.c_str(), const_cast<char* const*>(words));
  };
  const RunResult loaded = RunningScca({}, 0, by_loader).wait();
  CHECK(loaded.code == 0);
  CHECK(loaded.out == "scca " SCCA_VERSION "\n");
  CHECK(turns(loaded) == Turns{"300000"});
}

#endif

// How many threads the real program computes with, where its environment says something of it and where not.
#include "train/cli/threads_flag.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>

#include "core/threads.h"
#include "tests/environment.h"
#include "tests/train/workplace.h"
#include "train/cli/command.h"

using namespace scca;
using namespace scca::test;

namespace {

const Words kInfo{"info", "--json"};

RunResult info(const Words& more, const std::function<void()>& in_child = {}) {
  Words words = kInfo;
  words.insert(words.end(), more.begin(), more.end());
  return RunningScca(words, 0, in_child).wait();
}

int64_t threads(const Words& more = {}, const std::function<void()>& in_child = {}) {
  return info(more, in_child).json()["threads"];
}

void run_on_first_cpu() {
  cpu_set_t mask;
  sched_getaffinity(0, sizeof mask, &mask);
  int first = 0;
  while (!CPU_ISSET(first, &mask)) ++first;
  CPU_ZERO(&mask);
  CPU_SET(first, &mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

constexpr int kNoNamespace = 99;  // exit code

/// To be called by the child: from here on these files are what /proc says of it.
void show_files(const char* mountinfo, const char* cgroup) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) _exit(kNoNamespace);
  const auto show = [](const char* file, const char* name) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(getpid()), name);
    if (mount(file, path, nullptr, MS_BIND, nullptr) != 0) _exit(kNoNamespace);
  };
  show(cgroup, "cgroup");
  show(mountinfo, "mountinfo");  // the last: what has been mounted is looked up no more
}

}  // namespace

TEST_CASE("threads: --threads, else OMP_NUM_THREADS, else the CPUs that the program may keep busy") {
  {
    const EnvironmentVariable unset("OMP_NUM_THREADS", nullptr);
    CHECK(threads() == usable_cpus());
    CHECK(threads({"--threads", "1"}) == 1);
    CHECK(threads({}, run_on_first_cpu) == 1);
    const std::string more = std::to_string(usable_cpus() + 1);
    const RunResult many = info({"--threads", more});
    CHECK(many.json()["threads"] == usable_cpus() + 1);
    CHECK(many.err == concat("note: --threads ", more, ": this program may keep ", usable_cpus(),
                             " CPUs busy; more threads than that wait for each other\n"));
    CHECK(info({"--threads", std::to_string(usable_cpus())}).err.empty());
  }
  const EnvironmentVariable three("OMP_NUM_THREADS", "3");
  CHECK(threads() == 3);
  CHECK(threads({}, run_on_first_cpu) == 3);
  CHECK(threads({"--threads", "2"}) == 2);
}

TEST_CASE("threads: a container's share of the CPUs is not exceeded") {
  const TemporaryFolder folder;
  const std::string mountinfo = (folder / "mountinfo").string(), cgroup = (folder / "group").string();
  write_file(mountinfo, "31 23 0:28 / " + folder.path().string() + " rw - cgroup2 cgroup2 rw\n");
  write_file(cgroup, "0::/box/inner\n");
  std::filesystem::create_directories(folder / "box" / "inner");
  write_file(folder / "box" / "inner" / "cpu.max", "max 100000\n");
  write_file(folder / "box" / "cpu.max", "150000 100000\n");
  const auto in_box = [&] { show_files(mountinfo.c_str(), cgroup.c_str()); };
  const EnvironmentVariable unset("OMP_NUM_THREADS", nullptr);
  const RunResult result = info({}, in_box);
  if (result.code == kNoNamespace) {
    MESSAGE("skipped: a process may not have name spaces of its own here");
    return;
  }
  CHECK(result.json()["threads"] == 1);
  CHECK(threads({"--threads", "2"}, in_box) == 2);
  const EnvironmentVariable two("OMP_NUM_THREADS", "2");
  CHECK(threads({}, in_box) == 2);
}

TEST_CASE("threads: none, too many and what is no number are refused in a line") {
  for (const char* wrong : {"0", "1025", "-1", "two", "1.5", ""}) {
    const RunResult result = info({concat("--threads=", wrong)});
    CAPTURE(result.err);
    CHECK(result.code == 2);
    CHECK(result.one_error_line());
    CHECK(contains(result.err, "--threads"));
  }
  CHECK(info({"--threads", "0"}).err == "scca info: --threads 0: expected 1 or more\n");
}

TEST_CASE("threads: the flag stands beside --device, but where nothing is computed") {
  CommandLine line;
  size_t with_flag = 0;
  const std::function<void(CLI::App&)> check = [&](CLI::App& app) {
    const bool computes = app.get_option_no_throw("--device") && app.get_name() != "plan-memory";
    const CLI::Option* flag = app.get_option_no_throw("--threads");
    CAPTURE(app.get_name());
    CHECK((flag != nullptr) == (computes || app.get_name() == "info"));
    if (flag) CHECK(flag->get_group() == "Machine");
    with_flag += flag != nullptr;
    for (CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) check(*sub);
  };
  check(line.app());
  CHECK(with_flag >= 12);
}

TEST_CASE("threads: a training gives the same bits on any number, and may go on with another") {
  const Workplace place;
  // oneDNN divides sums among threads in its AVX2 products; in these none was seen to, and none of ours does.
  const EnvironmentVariable isa("DNNL_MAX_CPU_ISA", "SSE41");
  const RunResult one = run_scca(place.finetune("one", 4, {"--threads", "1"}));
  REQUIRE(one.code == 0);
  REQUIRE(run_scca(place.finetune("three", 2, {"--threads", "3"})).code == 0);
  REQUIRE(run_scca(place.finetune("three", 4, {"--threads", "2", "--resume"})).code == 0);
  CHECK(place.metrics("three") == place.metrics("one"));
  CHECK(place.adapter("three") == place.adapter("one"));
  CHECK(!contains(read_text_file(place.folder / "one" / "config.json"), "threads"));
}

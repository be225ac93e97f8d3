// Control groups as they lie on disk, in a folder that plays /proc and /sys/fs/cgroup.
#include "core/control_group.h"

#include <doctest/doctest.h>

#include "core/file.h"
#include "tests/temporary_folder.h"

using namespace scca;
using scca::test::TemporaryFolder;
namespace fs = std::filesystem;

namespace {

struct Machine {
  Machine() { fs::create_directories(proc); }

  /// `mounted`: which group the mount shows.
  void mount(const std::string& type, const std::string& options, const std::string& mounted = "/") {
    mounts += "31 23 0:28 / /sys/fs rw,relatime - tmpfs tmpfs rw\n32 31 0:29 " + mounted + " " +
              point.string() + " rw,nosuid shared:9 - " + type + " " + type + " rw" + options + "\n";
    write_file(proc / "mountinfo", mounts);
  }
  void belong_to(const std::string& line) {
    write_file(proc / "cgroup", "5:cpu,cpuacct:/elsewhere\n" + line + "\n");
  }

  void group2(const std::string& path, const std::string& limit, int64_t used, int64_t inactive = 0) const {
    fs::create_directories(point / path);
    write_file(point / path / "memory.max", limit + "\n");
    write_file(point / path / "memory.current", std::to_string(used) + "\n");
    write_file(point / path / "memory.stat",
               "anon 5\ninactive_anon 77\ninactive_file " + std::to_string(inactive) + "\nactive_file 99\n");
  }
  void group1(const std::string& path, const std::string& limit, int64_t used, int64_t inactive = 0) const {
    fs::create_directories(point / path);
    write_file(point / path / "memory.limit_in_bytes", limit + "\n");
    write_file(point / path / "memory.usage_in_bytes", std::to_string(used) + "\n");
    write_file(point / path / "memory.stat",
               "inactive_file 1\ntotal_inactive_file " + std::to_string(inactive) + "\n");
  }
  int64_t left() const { return memory_left_by_control_groups(proc); }

  void cpus2(const std::string& path, const std::string& most) const {
    fs::create_directories(point / path);
    write_file(point / path / "cpu.max", most + "\n");
  }
  void cpus1(const std::string& path, int64_t quota, int64_t period = 100000) const {
    fs::create_directories(point / path);
    write_file(point / path / "cpu.cfs_quota_us", std::to_string(quota) + "\n");
    write_file(point / path / "cpu.cfs_period_us", std::to_string(period) + "\n");
  }
  double cpus() const { return cpus_left_by_control_groups(proc); }

  TemporaryFolder folder;
  fs::path proc = folder / "proc", point = folder / "cgroup";
  std::string mounts;
};

}  // namespace

TEST_CASE("control groups: version 2, the tightest of the process's own and all above it") {
  Machine machine;
  machine.mount("cgroup2", "");
  machine.belong_to("0::/user/job/step");
  machine.group2("", "max", 900);
  machine.group2("user", "1000", 300, 40);
  machine.group2("user/job", "5000", 200);
  machine.group2("user/job/step", "max", 100);
  machine.group2("user/other", "1", 1);  // no concern of ours
  CHECK(machine.left() == 1000 - 260);
  machine.group2("user/job/step", "150", 100);
  CHECK(machine.left() == 50);
  machine.group2("user/job", "100", 200);  // the limit was lowered below what is used
  CHECK(machine.left() == 0);
}

TEST_CASE("control groups: version 1, beside a version 2 that has no memory") {
  Machine machine;
  machine.mount("cgroup", ",cpu");
  machine.mount("cgroup", ",hugetlb,memory");
  machine.belong_to("4:hugetlb,memory:/a/b\n0::/");
  machine.group1("", "9223372036854771712", 100);
  machine.group1("a/b", "9223372036854771712", 50);
  CHECK(machine.left() == -1);
  machine.group1("a", "3000", 2500, 400);
  CHECK(machine.left() == 900);
}

TEST_CASE("control groups: a container that sees its own group as the root") {
  Machine machine;
  machine.mount("cgroup", ",memory", "/docker/abc");
  machine.belong_to("4:memory:/docker/abc/inner");
  machine.group1("", "700", 100);
  machine.group1("inner", "800", 50);
  CHECK(machine.left() == 600);
  machine.belong_to("4:memory:/");  // a name space of its own: only what is mounted can be read
  CHECK(machine.left() == 600);
}

TEST_CASE("control groups: none") {
  Machine machine;
  CHECK(machine.left() == -1);
  machine.mount("cgroup2", "");
  machine.belong_to("0::/");
  CHECK(machine.left() == -1);  // the root has no memory.max
}

TEST_CASE("control groups: CPUs in version 2, the least of the process's own and all above it") {
  Machine machine;
  machine.mount("cgroup2", "");
  machine.belong_to("0::/user/job/step");
  CHECK(machine.cpus() == -1);
  machine.cpus2("user/other", "1000 100000");
  for (const char* group : {"user", "user/job", "user/job/step"}) machine.cpus2(group, "max 100000");
  CHECK(machine.cpus() == -1);
  machine.cpus2("user", "200000 100000");
  CHECK(machine.cpus() == 2);
  machine.cpus2("user/job/step", "75000 50000");
  CHECK(machine.cpus() == 1.5);
  machine.cpus2("user/job", "40000 100000");
  CHECK(machine.cpus() == 0.4);
  for (const char* broken : {"", "many", "100000", "0 100000", "100000 0", "-1 100000"}) {
    machine.cpus2("user/job", broken);
    CHECK(machine.cpus() == 1.5);
  }
}

TEST_CASE("control groups: CPUs in version 1, in the hierarchy of cpu and no other") {
  Machine machine;
  machine.mount("cgroup", ",memory");
  machine.belong_to("4:memory:/a/b");
  machine.cpus1("a/b", 100000);
  CHECK(machine.cpus() == -1);  // of the hierarchy of memory; that of cpu is not mounted
  machine.mount("cgroup", ",cpu,cpuacct");
  machine.cpus1("", -1);
  machine.cpus1("elsewhere", -1);
  CHECK(machine.cpus() == -1);
  machine.cpus1("elsewhere", 250000);
  CHECK(machine.cpus() == 2.5);
  machine.cpus1("", 50000, 25000);
  CHECK(machine.cpus() == 2);
}

TEST_CASE("control groups: the least CPUs of both versions, and of a container's own root") {
  Machine machine;
  machine.mount("cgroup", ",cpu,cpuacct", "/docker/abc");
  machine.cpus1("", 300000);
  CHECK(machine.cpus() == -1);  // no group of ours yet
  write_file(machine.proc / "cgroup", "5:cpu,cpuacct:/docker/abc\n0::/\n");
  CHECK(machine.cpus() == 3);
  machine.mount("cgroup2", "");
  machine.cpus2("", "100000 100000");
  CHECK(machine.cpus() == 1);
  machine.cpus2("", "900000 100000");
  CHECK(machine.cpus() == 3);
}

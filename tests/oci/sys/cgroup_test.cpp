#include "oci/sys/cgroup.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "oci/sys/file.h"
#include "oci/sys/subprocess.h"
#include "tests/support/scratch.h"

namespace {

// What the kernel says of the memory of a cgroup, by whichever hierarchy counts it.
std::string limit_of(const std::string& path) {
  for (const auto& hierarchy :
       sys::parse_cgroup_mounts(sys::read_file("/proc/self/mountinfo", 1u << 20))) {
    const char* file = hierarchy.v2 ? "memory.max" : "memory.limit_in_bytes";
    if (const auto text = sys::read_file_if_exists(hierarchy.mount_point / path / file, 64)) {
      return *text;
    }
  }
  return "";
}

// Of the cgroup that limits memory on v1; nothing, or 0, if there is none.
// Of the cgroup that limits memory on v1; 0 if there is none.
std::uint64_t inode_of(const std::string& path) {
  for (const auto& hierarchy :
       sys::parse_cgroup_mounts(sys::read_file("/proc/self/mountinfo", 1u << 20))) {
    struct stat status {};
    if (!hierarchy.has("memory")) continue;
    if (::stat((hierarchy.mount_point / path).c_str(), &status) == 0) return status.st_ino;
  }
  return 0;
}

void enter(const sys::CgroupEntrance& entrance, pid_t pid) {
  for (const sys::UniqueFd& fd : entrance.fds) {
    sys::write_all(fd.get(), std::to_string(pid), "tasks");
  }
}

}  // namespace

TEST_CASE("the hierarchies of v1, hybrid and v2 hosts are read from mountinfo") {
  const char* text =
      "30 23 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs ro,mode=755\n"
      "31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw\n"
      "32 30 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory\n"
      "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:1 master:2 - cgroup cgroup "
      "rw,cpu,cpuacct\n"
      "34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
      "35 1 8:1 / / rw - ext4 /dev/vda rw\n"
      "garbage\n\n";
  const auto hierarchies = sys::parse_cgroup_mounts(text);
  REQUIRE(hierarchies.size() == 4);
  CHECK(hierarchies[0].v2);
  CHECK(hierarchies[0].mount_point == "/sys/fs/cgroup/unified");
  CHECK(hierarchies[1].controllers == std::vector<std::string>{"memory"});
  CHECK(hierarchies[2].controllers == std::vector<std::string>{"cpu", "cpuacct"});
}

TEST_CASE("an instance that has no cgroup has no members and is removed already") {
  const sys::CgroupTree tree("faasd-unit-test", sys::CgroupDriver::cgroupfs);
  CHECK(tree.members("nobody").empty());
  CHECK(tree.remove("nobody"));
  const auto ids = tree.list();
  CHECK(std::find(ids.begin(), ids.end(), "nobody") == ids.end());
}

TEST_CASE("the numbers of cpu.stat, memory.events and memory.oom_control are found by their keys") {
  const char* v2_cpu = "usage_usec 12345\nuser_usec 100\nsystem_usec 12245\n";
  CHECK(sys::number_in(v2_cpu, "usage_usec") == 12345U);
  CHECK(sys::number_in(v2_cpu, "system_usec") == 12245U);
  CHECK_FALSE(sys::number_in(v2_cpu, "usage"));
  const char* v2_events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n";
  CHECK(sys::number_in(v2_events, "oom_kill") == 1U);
  CHECK(sys::number_in(v2_events, "oom") == 2U);
  const char* v1_control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3";
  CHECK(sys::number_in(v1_control, "oom_kill") == 3U);
  for (const char* text : {"", "\n", "oom_kill", "oom_kill ", "oom_kill x", "oom_kill\n1"}) {
    CAPTURE(text);
    CHECK_FALSE(sys::number_in(text, "oom_kill"));
  }
}

TEST_CASE("an instance that has no cgroup has cost nothing that anybody knows") {
  const sys::CgroupUsage usage =
      sys::CgroupTree("faasd-unit-test", sys::CgroupDriver::cgroupfs).usage("nobody");
  CHECK_FALSE(usage.cpu);
  CHECK_FALSE(usage.memory_peak_bytes);
  CHECK(usage.oom_kills == 0);
}

TEST_CASE("a cgroup that we make has the limits that it was given last, and is gone when removed") {
  const std::string name = "faasd-unit-test-" + std::to_string(::getpid());
  const sys::CgroupTree tree(name, sys::CgroupDriver::cgroupfs);
  const sys::CgroupEntrance entrance = tree.make("one");
  REQUIRE_FALSE(entrance.fds.empty());
  CHECK((!entrance.v2 || entrance.fds.size() == 1));
  for (const std::uint64_t bytes : {64ULL << 20, 512ULL << 20, 128ULL << 20}) {
    tree.limit("one", {.memory_bytes = bytes,
                       .limit_swap = tree.limits_swap(),
                       .cpu_quota_us = 50'000,
                       .pids = 32});
    CHECK(tree.members("one").empty());
    CHECK(limit_of(name + "/one") == std::to_string(bytes) + "\n");
  }
  CHECK_THROWS_AS(tree.make("one"), std::system_error);  // it is somebody's
  CHECK(tree.list() == std::vector<std::string>{"one"});
  CHECK(tree.remove("one"));
  const auto ids = tree.list();
  CHECK(std::find(ids.begin(), ids.end(), "one") == ids.end());
}

TEST_CASE("a cgroup on v1 goes from one instance to the next, with counters that begin anew") {
  const std::string name = "faasd-unit-test-" + std::to_string(::getpid());
  std::vector<std::string> left;
  {
    const sys::CgroupTree tree(name, sys::CgroupDriver::cgroupfs);
    if (tree.make("one").v2) {
      MESSAGE("skipped: v2 gives no other name to a cgroup");
      CHECK(tree.remove("one"));
      return;
    }
    const std::uint64_t inode = inode_of(name + "/one");
    // One that works in it, and is still there.
    sys::SubprocessOptions options;
    options.argv = {"/bin/sh", "-c", "while :; do :; done"};
    sys::Subprocess process(options);
    enter(tree.make("two"), process.pid());
    while (tree.usage("two").cpu.value_or(std::chrono::microseconds(0)).count() == 0) {
      std::this_thread::yield();
    }
    CHECK_FALSE(tree.remove("two"));
    CHECK(tree.remove("one"));
    CHECK(tree.make("three").fds.size() >= 1);
    CHECK(inode_of(name + "/three") == inode);
    CHECK(inode_of(name + "/one") == 0);

    tree.kill("two");
    while (!tree.remove("two")) std::this_thread::yield();
    tree.make("four");
    CHECK(tree.usage("four").cpu == std::chrono::microseconds(0));
    CHECK(tree.remove("three"));
    CHECK(tree.remove("four"));
    left = tree.list();
    CHECK(left.size() == 2);
  }
  for (const std::string& spare : left) CHECK(inode_of(name + "/" + spare) == 0);
}

TEST_CASE("a cgroup in which something is left, or counts for ever, goes to nobody") {
  const support::Scratch scratch;
  const std::string file = (scratch.path() / "file").string();
  const std::string leaves[] = {
      "read x; dd if=/dev/zero of=/dev/null bs=32M count=1; exit 0",       // killed for memory
      "read x; dd if=/dev/zero of=" + file + " bs=512K count=4; exit 0"};  // a cache of files
  const std::string name = "faasd-unit-test-" + std::to_string(::getpid());
  for (const std::string& script : leaves) {
    CAPTURE(script);
    const sys::CgroupTree tree(name, sys::CgroupDriver::cgroupfs);
    const sys::CgroupEntrance entrance = tree.make("one");
    if (entrance.v2) {
      CHECK(tree.remove("one"));
      return;
    }
    tree.limit("one", {.memory_bytes = 8u << 20,
                       .limit_swap = tree.limits_swap(),
                       .cpu_quota_us = 50'000,
                       .pids = 32});
    const std::uint64_t inode = inode_of(name + "/one");
    sys::Pipe pipe = sys::make_pipe();
    sys::SubprocessOptions options;
    options.argv = {"/bin/sh", "-c", script};
    options.stdin_fd = pipe.read_end.get();
    sys::Subprocess process(options);
    enter(entrance, process.pid());
    pipe.write_end.reset();
    CHECK(process.wait().success());
    while (!tree.remove("one")) std::this_thread::yield();
    CHECK(inode_of(name + "/one") == 0);
    tree.make("two");
    CHECK(inode_of(name + "/two") != inode);
    CHECK(tree.usage("two").oom_kills == 0);
    CHECK(tree.remove("two"));
  }
}

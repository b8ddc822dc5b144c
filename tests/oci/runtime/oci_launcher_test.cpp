// The launcher against runtimes that are scripts: what it makes of each way to fail.
#include "oci/runtime/oci_launcher.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <system_error>

#include "oci/sys/file.h"
#include "oci/sys/pidfd.h"
#include "oci/sys/subprocess.h"
#include "tests/oci/runtime/example_container.h"
#include "tests/support/scratch.h"

namespace fs = std::filesystem;

namespace {

struct Bench {
  support::Scratch scratch;
  sys::EventLoop loop;
  const sys::CgroupTree cgroups{"faasd-unit-test-" + std::to_string(::getpid()),
                                sys::CgroupDriver::cgroupfs};

  Bench() = default;
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { cgroups.remove(fixture::example_container().id); }  // what a launch has of them

  std::string script(const std::string& body) const {
    const fs::path path = scratch.path() / "runtime.sh";
    std::ofstream(path) << "#!/bin/sh\n" << body;
    fs::permissions(path, fs::perms::owner_all);
    return path.string();
  }

  runtime::LaunchResult launch(const std::string& program) {
    runtime::OciLauncher launcher(loop, program, scratch.path() / "root", scratch.path(), cgroups);
    runtime::Container container = fixture::example_container();
    const runtime::Bundle bundle(scratch.path(), container.id);
    runtime::LaunchResult result;
    const auto launch = launcher.launch({container, bundle, -1, -1, [&](runtime::LaunchResult r) {
                                           result = std::move(r);
                                           loop.stop();
                                         }});
    loop.run();
    return result;
  }
};

// The arguments: --root R --log L --log-format json run --detach --no-new-keyring --pid-file P
// --bundle B ID
constexpr const char* kLog = "\"$4\"";
constexpr const char* kPidFile = "\"${11}\"";

}  // namespace

TEST_CASE("a runtime that fails is reported with the last line of its own log") {
  Bench bench;
  const auto result =
      bench.launch(bench.script(std::string("echo '{\"msg\":\"first\"}' >") + kLog +
                                "\necho '{\"msg\":\"no such rootfs\"}' >>" + kLog + "\nexit 1\n"));
  const auto& failure = std::get<runtime::LaunchFailure>(result);
  CHECK(failure.reason.find("exit status 1: no such rootfs") != std::string::npos);
  CHECK(failure.summary == "the container runtime failed");
}

TEST_CASE("a runtime that is killed is reported with the signal") {
  Bench bench;
  const auto result = bench.launch(bench.script("kill -9 $$\n"));
  CHECK(std::get<runtime::LaunchFailure>(result).reason.find("signal 9") != std::string::npos);
}

TEST_CASE("a runtime that succeeds without a container is not believed") {
  Bench bench;
  CHECK(std::holds_alternative<runtime::LaunchFailure>(bench.launch(bench.script("exit 0\n"))));
  const auto result = bench.launch(bench.script(std::string("echo -n 0 >") + kPidFile + "\n"));
  CHECK(std::holds_alternative<runtime::LaunchFailure>(result));
}

TEST_CASE("the process that a runtime leaves behind is the container, and our child") {
  sys::become_subreaper();
  Bench bench;
  // It waits until the runtime is gone, which could otherwise take its exit status itself. The
  // runtime names itself: when the child looks, its parent may be this test already.
  auto result = bench.launch(
      bench.script(std::string("sh -c \"tail --pid=$$ -f /dev/null; exit 7\" & echo -n $! >") +
                   kPidFile + "\n"));
  REQUIRE(std::holds_alternative<runtime::Launched>(result));
  CHECK(sys::wait_for_exit(std::get<runtime::Launched>(result).pidfd.get()).value == 7);
}

TEST_CASE("a runtime that is not there is an error that names it") {
  Bench bench;
  CHECK_THROWS_AS(bench.launch("/nonexistent/runc"), std::system_error);
}

TEST_CASE("a launch that was abandoned never calls back") {
  Bench bench;
  runtime::OciLauncher launcher(bench.loop, bench.script("exec tail -f /dev/null\n"),
                                bench.scratch.path() / "root", bench.scratch.path(), bench.cgroups);
  runtime::Container container = fixture::example_container();
  const runtime::Bundle bundle(bench.scratch.path(), container.id);
  bool called = false;
  auto launch = launcher.launch({container, bundle, -1, -1, [&](auto) { called = true; }});
  launch->abandon();
  launch.reset();
  bench.loop.post([&] { bench.loop.stop(); });
  bench.loop.run();
  CHECK_FALSE(called);
}

TEST_CASE("orphaned runtimes are found by their root and killed, others are left alone") {
  Bench bench;
  const runtime::OciLauncher launcher(bench.loop, "runc", bench.scratch.path() / "root",
                                      bench.scratch.path(), bench.cgroups);
  sys::SubprocessOptions options;
  options.argv = {"/usr/bin/env",
                  "tail",
                  "-f",
                  "/dev/null",
                  "--",
                  "--root",
                  (bench.scratch.path() / "root").string()};
  // `tail` opens the names after `--`; that they are not there does not end it.
  sys::Subprocess ours(options);
  options.argv.back() += "-of-somebody-else";
  sys::Subprocess foreign(options);
  launcher.kill_orphans();
  CHECK(ours.wait().signaled);
  CHECK_FALSE(foreign.poll());
}

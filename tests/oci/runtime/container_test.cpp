#include "oci/runtime/container.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tests/oci/runtime/example_container.h"

namespace {

runtime::Container example() {
  runtime::Container container = fixture::example_container();
  container.id = "0123abcd";
  container.rootfs = "/images/x/rootfs";
  container.args = {"/app", "--flag"};
  container.env = {"A=1"};
  container.working_dir = "/srv";
  container.user = {1000, 1001, {1002}, "/home/app"};
  container.ids = {{{0, 1'000'000, 65'536}}, {{0, 2'000'000, 65'536}}};
  container.resources = {64U << 20, true, 0.5, 32, 1U << 20};
  container.cgroup_path = "/faasd/0123abcd";
  container.control_socket = "/run/x/control.sock";
  return container;
}

}  // namespace

TEST_CASE(
    "the image's environment comes first, the function's wins, PATH and HOME are never missing") {
  const image::ProcessUser user{1000, 1000, {}, "/home/app"};
  CHECK(runtime::merge_env({"A=1", "B=2"}, {"B=3", "C=4"}, user) ==
        std::vector<std::string>{
            "A=1", "B=3", "C=4",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/home/app"});
  CHECK(runtime::merge_env({"PATH=/bin", "HOME=/x"}, {}, user) ==
        std::vector<std::string>{"PATH=/bin", "HOME=/x"});
}

TEST_CASE(
    "a container has seven namespaces of its own, no capabilities, and cannot gain privileges") {
  const nlohmann::json spec = runtime::to_oci_spec(example());
  std::set<std::string> types;
  for (const auto& entry : spec["linux"]["namespaces"]) {
    types.insert(entry["type"].get<std::string>());
    CHECK_FALSE(entry.contains("path"));
  }
  CHECK(types == std::set<std::string>{"pid", "network", "ipc", "uts", "mount", "cgroup", "user"});
  CHECK(spec["linux"]["uidMappings"] ==
        nlohmann::json::parse(R"([{"containerID":0,"hostID":1000000,"size":65536}])"));
  CHECK(spec["linux"]["gidMappings"] ==
        nlohmann::json::parse(R"([{"containerID":0,"hostID":2000000,"size":65536}])"));
  for (const auto& set : spec["process"]["capabilities"].items()) {
    CHECK_MESSAGE(set.value().empty(), set.key());
  }
  CHECK(spec["process"]["capabilities"].size() == 5);
  CHECK(spec["process"]["noNewPrivileges"] == true);
  CHECK(spec["root"]["readonly"] == false);  // its mount is: rootfs_view.h
}

TEST_CASE("every mount is nosuid, and only /tmp and /dev/shm can be written to by size") {
  const nlohmann::json spec = runtime::to_oci_spec(example());
  std::set<std::string> sized;
  std::set<std::string> counted;
  for (const auto& mount : spec["mounts"]) {
    const auto options = mount["options"].get<std::vector<std::string>>();
    const std::set<std::string> set(options.begin(), options.end());
    CHECK_MESSAGE(set.contains("nosuid"), mount["destination"]);
    if (set.contains("size=1048576")) sized.insert(mount["destination"].get<std::string>());
    if (set.contains("nr_inodes=1280")) counted.insert(mount["destination"].get<std::string>());
  }
  CHECK(sized == std::set<std::string>{"/tmp", "/dev/shm"});
  CHECK(counted == sized);
}

TEST_CASE("a container without a filter of system calls is none") {
  runtime::Container container = example();
  container.seccomp_listener = "/run/x/broker.sock";
  const nlohmann::json filter = runtime::to_oci_spec(container)["linux"]["seccomp"];
  CHECK((filter["syscalls"] == (*container.seccomp)["syscalls"]));
  CHECK(filter["listenerPath"] == "/run/x/broker.sock");
  CHECK(filter["listenerMetadata"] == container.id);
  container.seccomp.reset();
  CHECK_THROWS_AS(runtime::to_oci_spec(container), std::logic_error);
}

TEST_CASE("limits of a process are its own, and cannot be raised") {
  runtime::Container container = example();
  container.resources.open_files = 64;
  container.resources.file_bytes = 1 << 20;
  const nlohmann::json limits = runtime::to_oci_spec(container)["process"]["rlimits"];
  CHECK(limits == nlohmann::json::parse(R"([
    {"type": "RLIMIT_NOFILE", "hard": 64, "soft": 64},
    {"type": "RLIMIT_FSIZE", "hard": 1048576, "soft": 1048576},
    {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
    {"type": "RLIMIT_NPROC", "hard": 32, "soft": 32},
    {"type": "RLIMIT_SIGPENDING", "hard": 64, "soft": 64},
    {"type": "RLIMIT_MSGQUEUE", "hard": 0, "soft": 0}])"));
}

TEST_CASE("a scope of systemd's is collected, whatever its container ended with") {
  runtime::Container container = example();
  container.cgroup_path = "/faasd/x";
  CHECK(runtime::to_oci_spec(container)["annotations"].empty());
  container.cgroup_path = "faasd.slice:faasd:x";
  CHECK(runtime::to_oci_spec(container)["annotations"]["org.systemd.property.CollectMode"] ==
        "'inactive-or-failed'");
  container.annotations = {{"a", "b"}};
  CHECK(runtime::to_oci_spec(container)["annotations"].size() == 2);
}

TEST_CASE("limits become the runtime's numbers") {
  const nlohmann::json resources = runtime::to_oci_spec(example())["linux"]["resources"];
  CHECK(resources["memory"]["limit"] == (64U << 20));
  CHECK(resources["memory"]["swap"] == (64U << 20));
  CHECK(resources["cpu"]["quota"] == 50'000);
  CHECK(resources["cpu"]["period"] == 100'000);
  CHECK(resources["pids"]["limit"] == 32);
  runtime::Container without_swap = example();
  without_swap.resources.limit_swap = false;
  CHECK_FALSE(runtime::to_oci_spec(without_swap)["linux"]["resources"]["memory"].contains("swap"));
}

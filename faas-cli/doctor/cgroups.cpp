#include "faas-cli/doctor/cgroups.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "faas-cli/doctor/probe.h"
#include "oci/sys/cgroup.h"

namespace cli::doctor {
namespace {

constexpr std::array kControllers = {"cpu", "memory", "pids"};

struct Layout {
  bool v1 = false;
  bool v2 = false;
  std::vector<std::string> v1_controllers;
  std::vector<std::string> v2_controllers;

  std::string describe() const {
    if (v1 && v2) return "v1, with v2 beside it (hybrid)";
    return v2 ? "v2" : "v1";
  }
};

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Layout read_layout(const Host& host) {
  Layout layout;
  const std::string mounts = read_text(host, "proc/self/mountinfo").value_or("");
  for (const sys::CgroupHierarchy& hierarchy : sys::parse_cgroup_mounts(mounts)) {
    if (hierarchy.v2) {
      layout.v2 = true;
      const std::string file = (hierarchy.mount_point.relative_path() / "cgroup.controllers");
      layout.v2_controllers = split_words(read_text(host, file).value_or(""));
    } else {
      for (const std::string& controller : hierarchy.controllers) {
        // "name=systemd" only tracks processes.
        if (controller.starts_with("name=")) continue;
        layout.v1 = true;
        layout.v1_controllers.push_back(controller);
      }
    }
  }
  return layout;
}

}  // namespace

Check check_cgroups(const Host& host) {
  const Layout layout = read_layout(host);
  if (!layout.v1 && !layout.v2) {
    return {"cgroups", Outcome::fail, "none are mounted",
            "mount them: mount -t cgroup2 none /sys/fs/cgroup"};
  }
  std::string missing;
  std::string parameters;
  for (const char* controller : kControllers) {
    if (contains(layout.v1_controllers, controller) ||
        contains(layout.v2_controllers, controller)) {
      continue;
    }
    missing += (missing.empty() ? "" : ", ") + std::string(controller);
    parameters += " cgroup_enable=" + std::string(controller);
  }
  if (!missing.empty()) {
    return {"cgroups", Outcome::fail, layout.describe() + ", without the controllers " + missing,
            "boot with the kernel parameters" + parameters +
                ", or, inside a container, run faasd on the host"};
  }
  return {"cgroups", Outcome::ok, layout.describe() + ", with cpu, memory and pids", ""};
}

}  // namespace cli::doctor

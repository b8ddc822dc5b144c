#include "faas-cli/doctor/kernel.h"

#include <unistd.h>

#include <array>
#include <string>

#include "faas-cli/doctor/probe.h"
#include "oci/sys/program.h"
#include "oci/sys/version.h"

namespace cli::doctor {
namespace {

// mount_setattr(2) with MOUNT_ATTR_IDMAP: an image's files seen under another uid.
constexpr sys::Version kOldestKernel{5, 12, 0, sys::Version::kRelease};

struct Namespace {
  const char* file;   // in /proc/self/ns
  const char* limit;  // in /proc/sys/user
};
constexpr std::array kNamespaces = {
    Namespace{"pid", "max_pid_namespaces"},   Namespace{"mnt", "max_mnt_namespaces"},
    Namespace{"net", "max_net_namespaces"},   Namespace{"ipc", "max_ipc_namespaces"},
    Namespace{"uts", "max_uts_namespaces"},   Namespace{"cgroup", "max_cgroup_namespaces"},
    Namespace{"user", "max_user_namespaces"},
};

// What the profile of our containers answers with, and what the connect broker needs (Linux 5.0).
constexpr std::array kSeccompActions = {"errno", "kill_process", "user_notif"};

bool has_word(const std::vector<std::string>& words, const std::string& word) {
  for (const std::string& candidate : words) {
    if (candidate == word) return true;
  }
  return false;
}

void append_word(std::string& list, const std::string& word) {
  list += (list.empty() ? "" : ", ") + word;
}

}  // namespace

Check check_kernel(const Host& host) {
  const std::string release =
      value_after(read_text(host, "proc/sys/kernel/osrelease").value_or(""), "").value_or("");
  const auto version = sys::parse_version(release);
  if (!version) {
    return {"kernel", Outcome::warn, "its version '" + release + "' is none that we can read",
            "make sure that it is Linux " + kOldestKernel.to_string() + " or later"};
  }
  if (*version < kOldestKernel) {
    return {"kernel", Outcome::fail,
            "Linux " + release + " has no idmapped mounts, by which a container's root is nobody",
            "boot Linux 5.12 or later (Debian 12 and Ubuntu 22.04 have one)"};
  }
  return {"kernel", Outcome::ok, "Linux " + release + " has idmapped mounts (5.12 or later)", ""};
}

Check check_namespaces(const Host& host) {
  std::string missing;
  std::string forbidden;
  for (const Namespace& space : kNamespaces) {
    std::error_code error;
    const auto path = host.root / "proc/self/ns" / space.file;
    if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) {
      append_word(missing, space.file);
    } else if (value_after(
                   read_text(host, std::string("proc/sys/user/") + space.limit).value_or("1"),
                   "") == "0") {
      append_word(forbidden, space.limit);
    }
  }
  if (!missing.empty()) {
    return {"namespaces", Outcome::fail, "the kernel has no namespaces of these kinds: " + missing,
            "boot a kernel of your distribution, which has them all"};
  }
  if (!forbidden.empty()) {
    return {"namespaces", Outcome::fail, "none may be made, by user." + forbidden + " = 0",
            "raise it: sysctl -w user." + forbidden.substr(0, forbidden.find(',')) + "=100000"};
  }
  return {"namespaces", Outcome::ok, "pid, mount, network, ipc, uts, cgroup and user", ""};
}

Check try_namespaces() {
  if (::geteuid() != 0) {
    return {"isolation", Outcome::warn, "not tried: making namespaces needs root",
            "run sudo faas doctor"};
  }
  const auto result = sys::run_program(
      {"unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", "true"});
  if (!result) {
    return {"isolation", Outcome::warn, "not tried: unshare(1) is not there", "install util-linux"};
  }
  if (!result->success) {
    return {"isolation", Outcome::fail, "root may not make namespaces here",
            "this looks like a container without CAP_SYS_ADMIN: run faasd on the host itself, or "
            "give it all capabilities"};
  }
  return {"isolation", Outcome::ok, "namespaces were made, for a try", ""};
}

Check check_seccomp(const Host& host) {
  const auto text = read_text(host, "proc/sys/kernel/seccomp/actions_avail");
  if (!text) {
    return {"seccomp", Outcome::fail, "the kernel has no seccomp filters",
            "boot a kernel with CONFIG_SECCOMP_FILTER, as your distribution's is"};
  }
  const std::vector<std::string> actions = split_words(*text);
  std::string missing;
  for (const char* action : kSeccompActions) {
    if (!has_word(actions, action)) append_word(missing, action);
  }
  if (!missing.empty()) {
    return {"seccomp", Outcome::fail, "the kernel's filters lack: " + missing,
            "boot Linux 5.12 or later"};
  }
  return {"seccomp", Outcome::ok, "filters, with user notification", ""};
}

}  // namespace cli::doctor

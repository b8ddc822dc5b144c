#include "faas-cli/doctor/examination.h"

#include <algorithm>
#include <exception>
#include <functional>

#include "faas-cli/doctor/cgroups.h"
#include "faas-cli/doctor/kernel.h"
#include "faas-cli/doctor/network.h"
#include "faas-cli/doctor/resources.h"
#include "faas-cli/doctor/runc.h"
#include "faas-cli/doctor/software.h"
#include "faas-cli/terminal.h"

namespace cli::doctor {
namespace {

using Checks = std::vector<Check>;

void add(Checks& checks, const char* name, const std::function<Checks()>& examine_one) {
  try {
    for (Check& check : examine_one()) checks.push_back(std::move(check));
  } catch (const std::exception& error) {
    checks.push_back({name, Outcome::warn, "could not be checked: " + std::string(error.what()),
                      "run sudo faas doctor"});
  }
}

const char* word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::warn:
      return "warn";
    case Outcome::fail:
      return "fail";
  }
  return "fail";
}

}  // namespace

std::vector<Check> examine(const Host& host, const DaemonClient& client) {
  Checks checks;
  add(checks, "kernel", [&] { return Checks{check_kernel(host)}; });
  add(checks, "namespaces", [&] { return Checks{check_namespaces(host)}; });
  add(checks, "isolation", [&] { return Checks{try_namespaces()}; });
  add(checks, "seccomp", [&] { return Checks{check_seccomp(host)}; });
  add(checks, "cgroups", [&] { return Checks{check_cgroups(host)}; });
  add(checks, "runc", [&] { return check_runc(host); });
  add(checks, "memory", [&] { return Checks{check_memory(host)}; });
  add(checks, "disk", [&] { return Checks{check_disk(host)}; });
  add(checks, "inodes", [&] { return Checks{check_inodes(host)}; });
  add(checks, "descriptors", [&] { return Checks{check_descriptors()}; });
  add(checks, "user ids", [&] { return Checks{check_user_ids(host)}; });
  add(checks, "subnet", [&] { return Checks{check_subnet(host)}; });
  add(checks, "port", [&] { return Checks{check_port(host)}; });
  add(checks, "daemon", [&] { return Checks{check_daemon(client)}; });
  add(checks, "docker", [&] { return Checks{check_docker()}; });
  return checks;
}

bool any_failed(const std::vector<Check>& checks) {
  return std::any_of(checks.begin(), checks.end(),
                     [](const Check& check) { return check.outcome == Outcome::fail; });
}

std::string examination_text(const std::vector<Check>& checks) {
  std::size_t width = 0;
  for (const Check& check : checks) width = std::max(width, check.name.size());
  std::string text;
  for (const Check& check : checks) {
    std::string outcome = word_of(check.outcome);
    outcome.resize(6, ' ');
    std::string name = check.name;
    name.resize(width + 2, ' ');
    text += outcome + name + printable(check.finding) + "\n";
    if (!check.remedy.empty()) {
      text +=
          std::string(outcome.size() + name.size(), ' ') + "-> " + printable(check.remedy) + "\n";
    }
  }
  return text;
}

Json examination_json(const std::vector<Check>& checks) {
  Json list = Json::array();
  for (const Check& check : checks) {
    list.push_back({{"name", check.name},
                    {"outcome", word_of(check.outcome)},
                    {"finding", printable(check.finding)},
                    {"remedy", printable(check.remedy)}});
  }
  return {{"ok", !any_failed(checks)}, {"checks", list}};
}

}  // namespace cli::doctor

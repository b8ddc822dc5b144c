// Which system calls a handler may make: an allow-list, stricter than Docker's default. A plain
// value that says nothing of how it is put into force: `to_oci_seccomp` writes it for an OCI
// runtime, and whoever has libseccomp can compile it. No state, any thread.
// Source: runtime-spec config-linux.md, seccomp; seccomp(2); docs/SECURITY.md has the reasons.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

namespace runtime {

// (argument & mask) == value. The kernel cuts the arguments that we look at to 32 bits or less,
// whatever lies above (of which C libraries make different use), so a mask has no more either.
struct SeccompCondition {
  unsigned argument = 0;
  std::uint32_t mask = 0;
  std::uint32_t value = 0;
};

enum class SeccompAction {
  allow,
  refuse,  // it fails with the rule's error
  ask,     // whoever listens answers it: connect_broker.h
};

// A call of one of these names, with arguments of which every condition holds. At most one
// condition an argument: libseccomp has no more, and runc would take any of them for all.
struct SeccompRule {
  std::vector<std::string_view> names;
  std::vector<SeccompCondition> conditions;
  SeccompAction action = SeccompAction::allow;
  int error = 0;  // of those that are refused
};

// No two rules that differ in what they do fit the same call, so their order is of no matter. A
// call that none fits fails with `unknown_error`.
struct SeccompProfile {
  std::string_view architecture;  // the runtime-spec's name; calls of every other one kill
  int unknown_error = 0;
  std::vector<SeccompRule> rules;
};

SeccompProfile handler_profile();

// The runtime-spec's `linux.seccomp`, but for the listener. The same for every container: made once
// by who builds specs.
nlohmann::json to_oci_seccomp(const SeccompProfile& profile);

}  // namespace runtime

#include "oci/runtime/native/seccomp_filter.h"

#include <seccomp.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/memory_file.h"
#include "oci/sys/unique_fd.h"

namespace runtime::native {
namespace {

struct Release {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

constexpr std::size_t kMaxFilter = 64u << 10;
// A search tree instead of a list: the last names are found as soon as the first.
constexpr std::uint32_t kSearchTree = 2;

void check(int result, const char* what) {
  if (result < 0) sys::throw_errno(-result, what);
}

std::uint32_t action_of(const SeccompRule& rule) {
  switch (rule.action) {
    case SeccompAction::allow:
      return SCMP_ACT_ALLOW;
    case SeccompAction::refuse:
      return SCMP_ACT_ERRNO(static_cast<std::uint16_t>(rule.error));
    case SeccompAction::ask:
      return SCMP_ACT_NOTIFY;
  }
  return SCMP_ACT_KILL_PROCESS;
}

void add(const Filter& filter, const SeccompRule& rule) {
  std::vector<scmp_arg_cmp> conditions;
  conditions.reserve(rule.conditions.size());
  for (const SeccompCondition& condition : rule.conditions) {
    conditions.push_back({condition.argument, SCMP_CMP_MASKED_EQ, condition.mask, condition.value});
  }
  for (const std::string_view name : rule.names) {
    const int number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
    if (number == __NR_SCMP_ERROR) continue;  // newer than this libseccomp: it is unknown then
    check(::seccomp_rule_add_array(filter.get(), action_of(rule), number,
                                   static_cast<unsigned>(conditions.size()), conditions.data()),
          "add a rule to the filter of system calls");
  }
}

}  // namespace

std::string compile_filter(const SeccompProfile& profile) {
  const Filter filter(
      ::seccomp_init(SCMP_ACT_ERRNO(static_cast<std::uint16_t>(profile.unknown_error))));
  if (!filter) sys::throw_errno(ENOMEM, "make a filter of system calls");
  // This program's own architecture is the only one in it; calls of every other one kill.
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
        "forbid other architectures");
  check(::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, kSearchTree),
        "optimise the filter of system calls");
  for (const SeccompRule& rule : profile.rules) add(filter, rule);
  const sys::UniqueFd file = sys::make_memory_file("filter");
  check(::seccomp_export_bpf(filter.get(), file.get()), "compile the filter of system calls");
  if (::lseek(file.get(), 0, SEEK_SET) != 0) sys::throw_errno("lseek");
  return sys::read_fd(file.get(), kMaxFilter, "the compiled filter");
}

}  // namespace runtime::native

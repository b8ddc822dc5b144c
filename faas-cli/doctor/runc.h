// runc: is it there, and does its version have a known hole that a container can use to get out?
// Distributions mend holes without changing the version, so the package's changelog is asked too.
// Facts: the advisories GHSA-xr7r-f8xq-vfvv, GHSA-9493-h29p-rfm2, GHSA-qw9x-cqr3-wc7r and
// GHSA-cgrx-mc8f-2prm of opencontainers/runc.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "faas-cli/doctor/check.h"
#include "faas-cli/doctor/version.h"

namespace cli::doctor {

struct Hole {
  const char* id;
  Version first_affected;
  // The first version without it on each release branch, ascending. A branch before the first of
  // them never got the fix, one after the last always had it.
  std::span<const Version> fixed;
  Outcome severity;
  const char* meaning;
};

// All holes that the doctor knows.
std::span<const Hole> known_holes();
bool is_affected(const Hole& hole, const Version& version);

// The package of the distribution that runc came from.
struct RuncPackage {
  std::string version;    // "1.1.5+ds1-1+deb12u1"
  std::string changelog;  // empty if it is not installed
};

// "1.1.5+ds1" of "runc version 1.1.5+ds1\n…"; empty if that is not how runc answers.
std::optional<std::string> runc_version_text(std::string_view output);

// Whether it is there, and one check for each hole of that version.
std::vector<Check> check_runc(const Host& host);
std::vector<Check> judge_holes(const Version& version, const std::optional<RuncPackage>& package);

}  // namespace cli::doctor

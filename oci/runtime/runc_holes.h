// The known holes of runc by which a container or an image gets at the host, and which of them the
// runc of this host has. Distributions mend holes without changing the version, so the package's
// changelog is asked too. faasd says at its start, and `faas doctor` when asked, what there is. Any
// thread; asking runs programs (sys::run_program).
//
// Facts: the advisories at github.com/opencontainers/runc/security/advisories (GHSA-g2j6-57v7-gm8c,
// GHSA-xr7r-f8xq-vfvv, GHSA-jfvp-7x6p-h2pv, GHSA-9493-h29p-rfm2, GHSA-qw9x-cqr3-wc7r,
// GHSA-cgrx-mc8f-2prm) and the notes of release 1.4.3. Holes of versions before kOldestRunc are not
// listed: those versions cannot run our containers.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/sys/log.h"
#include "oci/sys/version.h"

namespace runtime {

// The first that can hand system calls to a listener: connect_broker.h.
inline constexpr sys::Version kOldestRunc{1, 1, 0, sys::Version::kRelease};

struct Hole {
  const char* id;
  sys::Version first_affected;
  // The first version without it on each release branch, ascending. A branch before the first of
  // them never got the fix, one after the last always had it.
  std::span<const sys::Version> fixed;
  bool grave;  // an image alone is enough, and what it gets at is the whole host
  const char* meaning;
  // Why it is out of reach here: what it needs is off in faasd, whatever runc there is.
  const char* shut;
};

// All that are known.
std::span<const Hole> known_holes();
bool is_affected(const Hole& hole, const sys::Version& version);

// The package of the distribution that runc came from.
struct RuncPackage {
  std::string version;    // "1.1.5+ds1-1+deb12u1"
  std::string changelog;  // empty if it is not installed
};

// A hole of this version of runc, open or mended by the distribution.
struct FoundHole {
  const Hole* hole;
  bool mended = false;
  std::string finding;  // one line: what is
  std::string remedy;   // one line: what to do; empty if it is mended
};

std::vector<FoundHole> find_holes(const sys::Version& version,
                                  const std::optional<RuncPackage>& package);

// What a runtime's program says of itself.
struct RuncReport {
  bool answers = false;                 // to --version, in time
  std::string first_line;               // of its answer
  std::string version_text;             // "1.1.5+ds1"; empty if it is not runc
  std::optional<sys::Version> version;  // empty if the text is none that we can read
  std::vector<FoundHole> holes;
};

// "1.1.5+ds1" of "runc version 1.1.5+ds1\n…"; empty if that is not how runc answers.
std::string runc_version_text(std::string_view output);

// `program` is a name to look up or a path; files of its package are looked for below `root`.
RuncReport examine_runc(const std::string& program, const std::filesystem::path& root = "/");

// Warns of each hole that is open (event `runtime_hole`), of a runc that is too old, and of a
// runtime whose holes nobody looked for.
void log_runc_holes(const std::string& program, const sys::Log& log);

}  // namespace runtime

#include "oci/runtime/runc_holes.h"

#include <algorithm>
#include <array>

#include "oci/sys/program.h"

namespace runtime {
namespace {

using sys::Version;

constexpr std::array kFixedIn2023 = {Version{1, 1, 5, Version::kRelease}};
constexpr std::array kFixedInJanuary2024 = {Version{1, 1, 12, Version::kRelease}};
constexpr std::array kFixedInSeptember2024 = {Version{1, 1, 14, Version::kRelease},
                                              Version{1, 2, 0, 3}};
// 1.1 and older were out of support and got no release with the fix.
constexpr std::array kFixedIn2025 = {Version{1, 2, 8, Version::kRelease},
                                     Version{1, 3, 3, Version::kRelease}, Version{1, 4, 0, 3}};
// 1.2 was.
constexpr std::array kFixedIn2026 = {Version{1, 3, 6, Version::kRelease},
                                     Version{1, 4, 3, Version::kRelease}, Version{1, 5, 0, 3}};
constexpr Version kAlways{};

constexpr const char* kNoSharedMount =
    "no two containers share a file system that one of them can write to";

constexpr std::array kHoles = {
    Hole{"CVE-2023-27561", kAlways, kFixedIn2023, false,
         "an image whose /proc is a link gets at files of /proc that should be masked",
         "an image's /proc is always a directory"},
    Hole{"CVE-2024-21626", Version{1, 0, 0, 93}, kFixedInJanuary2024, true,
         "an image can start in a directory of the host and get out",
         "a working directory and a command are looked up in the image before runc starts"},
    Hole{"CVE-2024-45310", kAlways, kFixedInSeptember2024, false,
         "containers that share a volume can make empty files on the host", kNoSharedMount},
    Hole{"CVE-2025-31133", kAlways, kFixedIn2025, false,
         "a container that swaps /dev/null can unmask files of /proc", kNoSharedMount},
    Hole{"CVE-2025-52565", kAlways, kFixedIn2025, false,
         "a container that swaps its console can get at files of /proc",
         "no container has a console"},
    Hole{"CVE-2025-52881", kAlways, kFixedIn2025, false,
         "a container that shares mounts can redirect runc's writes to /proc", kNoSharedMount},
    Hole{"CVE-2026-41579", kAlways, kFixedIn2026, false,
         "an image whose /dev is a link can make runc write a little to the host",
         "an image's /dev is always a directory"},
};

bool same_branch(const Version& left, const Version& right) {
  return left.major == right.major && left.minor == right.minor;
}

std::string fixed_versions(const Hole& hole) {
  std::string text;
  for (const Version& version : hole.fixed) {
    if (!text.empty()) text += ", ";
    text += version.to_string();
  }
  return text;
}

// The package's own word on runc, if this runc is the packaged one at all.
std::optional<RuncPackage> find_package(const std::string& program,
                                        const std::filesystem::path& root) {
  if (program != "runc") return std::nullopt;
  const auto query =
      sys::run_program({"dpkg-query", "-W", "-f=${db:Status-Abbrev}${Version}", "runc"});
  // "ii 1.1.5+ds1-1+deb12u1"
  if (!query || !query->success || !query->output.starts_with("ii ")) return std::nullopt;
  RuncPackage package;
  package.version = query->output.substr(3);
  const std::string changelog = (root / "usr/share/doc/runc/changelog.Debian.gz").string();
  const auto unpacked = sys::run_program({"gzip", "-cd", changelog});
  if (unpacked) package.changelog = unpacked->output;
  return package;
}

FoundHole find_hole(const Hole& hole, const Version& version,
                    const std::optional<RuncPackage>& package) {
  if (package && package->changelog.find(hole.id) != std::string::npos) {
    return {&hole, true, "mended in the package runc " + package->version + ", by its changelog",
            ""};
  }
  FoundHole found{&hole, false, "runc " + version.to_string() + " has it: " + hole.meaning,
                  "upgrade runc to " + fixed_versions(hole) + " or later, or to a package that " +
                      "mends it; until then faasd keeps it out of reach: " + hole.shut};
  if (package) {
    found.finding += " (package " + package->version +
                     (package->changelog.empty() ? ", which has no changelog here to ask)"
                                                 : ", whose changelog does not name it)");
  }
  return found;
}

}  // namespace

std::span<const Hole> known_holes() {
  return kHoles;
}

bool is_affected(const Hole& hole, const Version& version) {
  if (version < hole.first_affected) return false;
  const auto same = [&](const Version& fixed) { return same_branch(fixed, version); };
  const auto branch = std::find_if(hole.fixed.begin(), hole.fixed.end(), same);
  if (branch != hole.fixed.end()) return version < *branch;
  return version < hole.fixed.back();
}

std::string runc_version_text(std::string_view output) {
  constexpr std::string_view kBefore = "runc version ";
  const std::string_view line = output.substr(0, output.find('\n'));
  return line.starts_with(kBefore) ? std::string(line.substr(kBefore.size())) : "";
}

std::vector<FoundHole> find_holes(const Version& version,
                                  const std::optional<RuncPackage>& package) {
  std::vector<FoundHole> found;
  for (const Hole& hole : known_holes()) {
    if (is_affected(hole, version)) found.push_back(find_hole(hole, version, package));
  }
  return found;
}

RuncReport examine_runc(const std::string& program, const std::filesystem::path& root) {
  RuncReport report;
  const auto result = sys::run_program({program, "--version"});
  if (!result) return report;
  report.answers = true;
  report.first_line = result->output.substr(0, result->output.find('\n'));
  report.version_text = runc_version_text(result->output);
  report.version = sys::parse_version(report.version_text);
  if (report.version) report.holes = find_holes(*report.version, find_package(program, root));
  return report;
}

void log_runc_holes(const std::string& program, const sys::Log& log) {
  const RuncReport report = examine_runc(program);
  const auto warn = [&](const std::string& id, const std::string& finding,
                        const std::string& remedy) {
    log.warn("runtime_hole",
             {{"launcher", program}, {"hole", id}, {"finding", finding}, {"remedy", remedy}});
  };
  if (!report.answers) {
    log.error("runtime_missing",
              {{"launcher", program},
               {"finding",
                "it is not there, or does not answer --version: until it does, nothing "
                "that it should launch starts"},
               {"remedy", "install it, or start faasd with another --launcher (runc, native)"}});
  } else if (!report.version) {
    warn("", "holes were not looked for: " + program + " says '" + report.first_line + "'",
         "follow the advisories of the runtime that you use");
  } else if (*report.version < kOldestRunc) {
    warn("", "runc " + report.version_text + " cannot run our containers",
         "upgrade runc to " + kOldestRunc.to_string() + " or later");
  }
  for (const FoundHole& found : report.holes) {
    if (!found.mended) warn(found.hole->id, found.finding, found.remedy);
  }
}

}  // namespace runtime

#include "faas-cli/doctor/runc.h"

#include <algorithm>
#include <array>

#include "faas-cli/doctor/probe.h"

namespace cli::doctor {
namespace {

constexpr std::array kFixedIn2024 = {Version{1, 1, 12, Version::kRelease}};
// 1.1 and older were out of support and got no release with the fix.
constexpr std::array kFixedIn2025 = {Version{1, 2, 8, Version::kRelease},
                                     Version{1, 3, 3, Version::kRelease}, Version{1, 4, 0, 3}};
constexpr Version kAlways{};

// The first is open to any image, so it fails the examination. The other three need a container
// that shares a mount with another one, or a console; faasd gives neither. They are a warning.
constexpr std::array kHoles = {
    Hole{"CVE-2024-21626", Version{1, 0, 0, 93}, kFixedIn2024, Outcome::fail,
         "an image can start in a directory of the host and get out"},
    Hole{"CVE-2025-31133", kAlways, kFixedIn2025, Outcome::warn,
         "a container that swaps /dev/null can unmask files of /proc"},
    Hole{"CVE-2025-52565", kAlways, kFixedIn2025, Outcome::warn,
         "a container that swaps its console can get at files of /proc"},
    Hole{"CVE-2025-52881", kAlways, kFixedIn2025, Outcome::warn,
         "a container that shares mounts can redirect runc's writes to /proc"},
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
std::optional<RuncPackage> find_package(const Host& host) {
  if (host.runc != "runc") return std::nullopt;
  const auto query = run_program({"dpkg-query", "-W", "-f=${db:Status-Abbrev}${Version}", "runc"});
  // "ii 1.1.5+ds1-1+deb12u1"
  if (!query || !query->success || !query->output.starts_with("ii ")) return std::nullopt;
  RuncPackage package;
  package.version = query->output.substr(3);
  const std::string changelog = (host.root / "usr/share/doc/runc/changelog.Debian.gz").string();
  const auto unpacked = run_program({"gzip", "-cd", changelog});
  if (unpacked) package.changelog = unpacked->output;
  return package;
}

std::string hole_check_name(const Hole& hole) {
  return "runc " + std::string(hole.id);
}

Check judge_hole(const Hole& hole, const Version& version,
                 const std::optional<RuncPackage>& package) {
  const std::string runc = "runc " + version.to_string();
  if (package && package->changelog.find(hole.id) != std::string::npos) {
    return {hole_check_name(hole), Outcome::ok,
            "mended in the package runc " + package->version + ", by its changelog", ""};
  }
  Check check{hole_check_name(hole), hole.severity, runc + " has it: " + hole.meaning,
              "upgrade runc to " + fixed_versions(hole) + " or later, or to a package that " +
                  "mends it; until then deploy only images that you trust"};
  if (package) {
    check.finding += " (package " + package->version +
                     (package->changelog.empty() ? ", which has no changelog here to ask)"
                                                 : ", whose changelog does not name it)");
  }
  return check;
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

std::optional<std::string> runc_version_text(std::string_view output) {
  auto text = value_after(output, "runc version ");
  if (!text || text->empty()) return std::nullopt;
  return text;
}

std::vector<Check> judge_holes(const Version& version, const std::optional<RuncPackage>& package) {
  std::vector<Check> checks;
  for (const Hole& hole : known_holes()) {
    if (is_affected(hole, version)) checks.push_back(judge_hole(hole, version, package));
  }
  if (checks.empty()) {
    checks.push_back({"runc holes", Outcome::ok,
                      "runc " + version.to_string() + " has none of the known ones", ""});
  }
  return checks;
}

std::vector<Check> check_runc(const Host& host) {
  const auto result = run_program({host.runc, "--version"});
  if (!result) {
    return {{"runc", Outcome::fail, host.runc + " is not there, or does not answer --version",
             "install runc (apt-get install runc)"}};
  }
  const auto text = runc_version_text(result->output);
  if (!text) {
    const std::vector<std::string> lines = split_lines(result->output);
    return {{"runc", Outcome::warn,
             host.runc + " is not runc (it says '" + (lines.empty() ? "" : lines[0]) +
                 "'), so its known holes were not looked for",
             "use runc, or follow the advisories of the runtime that you use"}};
  }
  std::vector<Check> checks = {{"runc", Outcome::ok, "runc " + *text, ""}};
  const auto version = parse_version(*text);
  if (!version) {
    checks.push_back({"runc holes", Outcome::warn,
                      "runc's version '" + *text + "' is none that we can read",
                      "compare it with the advisories at github.com/opencontainers/runc/security"});
    return checks;
  }
  const std::vector<Check> holes = judge_holes(*version, find_package(host));
  checks.insert(checks.end(), holes.begin(), holes.end());
  return checks;
}

}  // namespace cli::doctor

#include "faas-cli/doctor/runc.h"

#include "oci/runtime/runc_holes.h"

namespace cli::doctor {
namespace {

// Only a grave hole fails the examination: the others are out of reach of our containers.
Check to_check(const runtime::FoundHole& found) {
  const Outcome open = found.hole->grave ? Outcome::fail : Outcome::warn;
  return {"runc " + std::string(found.hole->id), found.mended ? Outcome::ok : open, found.finding,
          found.remedy};
}

Check check_version(const runtime::RuncReport& report) {
  if (*report.version < runtime::kOldestRunc) {
    return {"runc", Outcome::fail,
            "runc " + report.version_text + " cannot hand system calls to faasd",
            "upgrade runc to " + runtime::kOldestRunc.to_string() + " or later"};
  }
  return {"runc", Outcome::ok, "runc " + report.version_text, ""};
}

}  // namespace

std::vector<Check> check_runc(const Host& host) {
  const runtime::RuncReport report = runtime::examine_runc(host.runc, host.root);
  if (!report.answers) {
    return {{"runc", Outcome::fail, host.runc + " is not there, or does not answer --version",
             "install runc (apt-get install runc)"}};
  }
  if (report.version_text.empty()) {
    return {{"runc", Outcome::warn,
             host.runc + " is not runc (it says '" + report.first_line +
                 "'), so its known holes were not looked for",
             "use runc, or follow the advisories of the runtime that you use"}};
  }
  if (!report.version) {
    return {{"runc holes", Outcome::warn,
             "runc's version '" + report.version_text + "' is none that we can read",
             "compare it with the advisories at github.com/opencontainers/runc/security"}};
  }
  std::vector<Check> checks = {check_version(report)};
  for (const runtime::FoundHole& found : report.holes) checks.push_back(to_check(found));
  if (report.holes.empty()) {
    checks.push_back({"runc holes", Outcome::ok,
                      "runc " + report.version_text + " has none of the known ones", ""});
  }
  return checks;
}

}  // namespace cli::doctor

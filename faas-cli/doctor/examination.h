// All checks in the order in which a person would mend things, and how they are shown. A check that
// cannot be made is a warning that says why; one check never stops the others.
#pragma once

#include <string>
#include <vector>

#include "faas-cli/answer_json.h"
#include "faas-cli/doctor/check.h"

namespace cli::doctor {

std::vector<Check> examine(const Host& host, const DaemonClient& client);

bool any_failed(const std::vector<Check>& checks);
std::string examination_text(const std::vector<Check>& checks);
// {"checks": [{"name", "outcome", "finding", "remedy"}], "ok": true}
Json examination_json(const std::vector<Check>& checks);

}  // namespace cli::doctor

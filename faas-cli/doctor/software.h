// The programs around: does faasd answer, and is Docker there (which nothing depends on)?
#pragma once

#include <string>

#include "faas-cli/daemon_client.h"
#include "faas-cli/doctor/check.h"

namespace cli::doctor {

Check check_daemon(const DaemonClient& client);
Check check_docker();

}  // namespace cli::doctor

// The variables of go-faas, so that its service file starts faasd as it is: HTTP_PORT, MAX_CPUS,
// MAX_MEMORY, CODE_MAX_SIZE, TIMEOUT_SCRIPT, REDIS_HOST, REDIS_PORT, REDIS_PASSWORD, REDIS_DB. Each
// stands behind faasd's own flag and variable.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "faasd/options.h"

using Environment = std::function<std::optional<std::string>(const char* name)>;

// `is_given` says whether a flag was given in faasd's own way. Throws sys::Refused that names the
// variable.
void apply_go_faas_environment(Options& options, const Environment& environment,
                               const std::function<bool(const char* flag)>& is_given);

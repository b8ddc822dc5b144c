// Metrics in the text format of Prometheus, version 0.0.4. A function that was not called yet has
// its gauges only, so that thousands of idle ones cost little. Pure.
#pragma once

#include <string>
#include <string_view>

#include "faasd/serve/tally.h"

namespace api {

std::string metrics_text(const serve::Metrics& metrics, std::string_view version);

// A label's value between its quotes: \, " and line breaks escaped.
std::string escape_label(std::string_view value);

}  // namespace api

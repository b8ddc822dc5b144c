// Receipts and lines of output as text for people, one line each, in columns that do not depend on
// the other lines: more may follow. Whatever a container wrote is made printable. Pure functions.
#pragma once

#include <string>

#include "faas-cli/answer_json.h"

namespace cli {

// The title of the columns of `receipt_line`.
std::string receipt_title();
std::string receipt_line(const Json& receipt);

// Time, the first digits of the instance, what it wrote.
std::string output_line(const Json& record);

}  // namespace cli

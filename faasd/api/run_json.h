// A run of a script as its client gets it: headers with its receipt, and events. Pure.
#pragma once

#include <httplib.h>

#include <memory>
#include <string>

#include "faasd/script/run.h"
#include "faasd/script/runner.h"
#include "faasd/script/verdict.h"

namespace api {

// X-Faas-Instance, X-Faas-Outcome and so on.
void add_receipt_headers(httplib::Response& response, const script::End& end);

// The memory of the run counts as taken until its answer has been sent, or its client has left:
// otherwise who runs scripts and reads no answer could have the daemon hold any number of them.
void hold_until_sent(httplib::Response& response, std::shared_ptr<script::Audience> audience);

// What a client without a stream gets; an error has what was printed before it as "output".
std::string answer_json(const script::Verdict& verdict, const script::Run& run);

// {"event": "log", …}, of one line.
std::string log_event(const script::Line& line);
// {"event": "result" or "error", …}, the last one; with the receipt.
std::string last_event(const script::Verdict& verdict, const script::End& end);

// Why there is less output than was written; empty if there is all.
std::string cut_reason(const script::End& end);

}  // namespace api

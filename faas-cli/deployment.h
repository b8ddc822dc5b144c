// A deploy as the command line asks for it: a function, its options, an image on its way in. The
// options are the daemon's: their text goes there unread, so that there is one place that knows
// what is right. faas new and faas runtime install. One thread. Throws Failure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "faas-cli/answer_json.h"
#include "faas-cli/upload.h"
#include "faas-cli/verb/verb.h"

namespace cli {

struct Deployment {
  std::string name;                            // of the function
  std::map<std::string, std::string> options;  // by their keys in the query
  std::vector<std::string> env;                // K=V
};

// The flags that fill it in, but for those of these keys. It lives as long as the parser.
void add_deploy_flags(CLI::App& verb, Deployment& deployment,
                      const std::vector<std::string_view>& but_for = {});

// Asked before there is an image: who is not allowed in learns it now, and not after a minute of
// `docker save`. That there is no such function yet is the usual answer.
void ask_first(const DaemonClient& client, const Deployment& deployment);

// Sends the image, with a progress bar; the function as the daemon describes it then.
Json deploy(const DaemonClient& client, const Deployment& deployment, Upload& upload);

// What the daemon has to say of the image, and a hint for who looks at a terminal. On stderr,
// whether or not anybody reads it: the function is there.
void print_notes(const Json& function, const std::string& hint) noexcept;

}  // namespace cli

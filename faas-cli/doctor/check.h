// One question that `faas doctor` asks of the host, and its answer. Values. A check reads, and
// never changes anything; it takes the host's files below `Host::root`, so that a test can show it
// another machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace cli::doctor {

enum class Outcome { ok, warn, fail };

struct Check {
  std::string name;  // fixed word: "kernel"
  Outcome outcome = Outcome::ok;
  std::string finding;  // one line: what is
  std::string remedy;   // one line: what to do; empty if nothing is to do
};

struct Host {
  std::filesystem::path root = "/";
  std::filesystem::path state_dir = "/var/lib/faasd";
  std::string runc = "runc";  // a name to look up in PATH, or a path
  std::string subnet = "127.77.0.0/16";
  std::uint16_t function_port = 80;
};

}  // namespace cli::doctor

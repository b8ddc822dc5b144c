// What the daemon was started with: flags, FAASD_… variables and --config, read once. Components
// receive the fields they need, never this.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "faasd/function/function.h"
#include "faasd/script/bounds.h"
#include "oci/sys/cgroup.h"
#include "oci/sys/log.h"

struct Options {
  std::filesystem::path state_dir = "/var/lib/faasd";
  std::filesystem::path run_dir = "/run/faasd";
  std::filesystem::path socket;           // empty: <run_dir>/faasd.sock
  std::string listen = "127.0.0.1:8080";  // empty: no TCP
  std::filesystem::path token_file;       // empty: none
  std::string subnet = "127.77.0.0/16";
  std::uint16_t function_port = 80;
  std::string launcher = "runc";
  sys::CgroupDriver cgroup_driver = sys::CgroupDriver::automatic;
  std::size_t keep_versions = 3;
  std::string store = "sqlite";  // of scripts
  std::size_t code_bytes = script::bounds::kCodeBytes;
  function::ScriptLimits script_limits;
  std::chrono::milliseconds drain_timeout{30'000};
  sys::LogLevel log_level = sys::LogLevel::info;
  sys::LogFormat log_format = sys::LogFormat::text;
};

// "memory", "cpus", "timeout" or "code_max_size" of scripts, from its text. Throws sys::Refused.
void set_script_option(Options& options, const std::string& key, const std::string& text);

// Empty if the program is done (--help, --version, or words that are no options): `exit_code` says
// with what. Messages have been printed.
std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

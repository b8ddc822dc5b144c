#include "faasd/options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>

#include "faasd/compatible_environment.h"
#include "faasd/function/bounds.h"
#include "faasd/function/function.h"
#include "faasd/script/open_store.h"
#include "oci/sys/error.h"

namespace {

struct Words {
  std::string cgroup_driver = "auto";
  std::string drain_timeout = "30s";
  std::string log_level = "info";
  std::string log_format = "text";
  std::string script_memory;
  std::string script_cpus;
  std::string script_timeout;
  std::string code_max_size;
};

void add_flags(CLI::App& app, Options& options, Words& words) {
  const auto flag = [&](const char* name, auto& value, const char* variable, const char* text) {
    app.add_option(name, value, text)->envname(variable)->capture_default_str();
  };
  flag("--state-dir", options.state_dir, "FAASD_STATE_DIR", "images and functions live here");
  flag("--run-dir", options.run_dir, "FAASD_RUN_DIR", "what is gone after a reboot");
  flag("--socket", options.socket, "FAASD_SOCKET", "control API (default: RUN_DIR/faasd.sock)");
  flag("--listen", options.listen, "FAASD_LISTEN", "control API over TCP; '' for none");
  flag("--token-file", options.token_file, "FAASD_TOKEN_FILE", "bearer token of the control API");
  flag("--subnet", options.subnet, "FAASD_SUBNET", "addresses of functions, the first is .10");
  flag("--function-port", options.function_port, "FAASD_FUNCTION_PORT", "port of every function");
  flag("--launcher", options.launcher, "FAASD_LAUNCHER",
       "runc, native, or a path to any OCI runtime");
  flag("--cgroup-driver", words.cgroup_driver, "FAASD_CGROUP_DRIVER",
       "who makes cgroups: auto, cgroupfs or systemd");
  flag("--keep-versions", options.keep_versions, "FAASD_KEEP_VERSIONS",
       "versions of a function to go back to, the current one included");
  flag("--store", options.store, "FAASD_STORE",
       "scripts: sqlite, or redis://[:PASSWORD@]HOST:PORT/DB");
  flag("--script-memory", words.script_memory, "FAASD_SCRIPT_MEMORY",
       "of every script, instead of its language's");
  flag("--script-cpus", words.script_cpus, "FAASD_SCRIPT_CPUS", "likewise");
  flag("--script-timeout", words.script_timeout, "FAASD_SCRIPT_TIMEOUT", "likewise");
  flag("--code-max-size", words.code_max_size, "FAASD_CODE_MAX_SIZE",
       "of a script's code (default: 256K)");
  flag("--drain-timeout", words.drain_timeout, "FAASD_DRAIN_TIMEOUT",
       "how long SIGTERM lets running invocations finish");
  flag("--log-level", words.log_level, "FAASD_LOG_LEVEL", "debug, info, warn or error");
  flag("--log-format", words.log_format, "FAASD_LOG_FORMAT", "text or json");
}

void check(Options& options) {
  options.state_dir = std::filesystem::absolute(options.state_dir).lexically_normal();
  options.run_dir = std::filesystem::absolute(options.run_dir).lexically_normal();
  if (options.socket.empty()) options.socket = options.run_dir / "faasd.sock";
  options.socket = std::filesystem::absolute(options.socket).lexically_normal();
  script::check_store(options.store);
  if (options.function_port == 0) {
    throw sys::Refused(sys::Refusal::invalid, "bad_option", "--function-port is from 1 to 65535");
  }
  if (options.keep_versions < 1 || options.keep_versions > function::bounds::kMaxKeptVersions) {
    throw sys::Refused(sys::Refusal::invalid, "bad_option",
                       "--keep-versions is from 1 to " +
                           std::to_string(function::bounds::kMaxKeptVersions) + ", not " +
                           std::to_string(options.keep_versions));
  }
}

}  // namespace

void set_script_option(Options& options, const std::string& key, const std::string& text) {
  if (key == "code_max_size") {
    options.code_bytes = function::parse_bytes(key, text, 1, function::bounds::kMaxCodeBytes);
    return;
  }
  function::Options one;
  function::set_option(one, key, text);
  if (key == "memory") options.script_limits.memory_bytes = one.limits.memory_bytes;
  if (key == "cpus") options.script_limits.cpus = one.limits.cpus;
  if (key == "timeout") options.script_limits.timeout = one.limits.timeout;
}

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  Options options;
  Words words;
  CLI::App app("faasd - a fresh OCI container for every TCP connection", "faasd");
  add_flags(app, options, words);
  app.set_config("--config", "", "file with any of these flags: name = \"value\"")
      ->envname("FAASD_CONFIG");
  app.allow_config_extras(CLI::config_extras_mode::error);  // a misspelt name is no default
  app.set_version_flag("--version", std::string("faasd ") + FAASD_VERSION);
  app.footer("Every flag is also a variable: --state-dir is FAASD_STATE_DIR. More: man faasd");
  try {
    app.parse(argc, argv);
    // Empty means something there, and CLI11 takes an empty variable for none.
    const char* listen = std::getenv("FAASD_LISTEN");
    if (listen != nullptr && *listen == '\0' && app.count("--listen") == 0) options.listen.clear();
    const std::pair<const char*, const std::string*> of_scripts[] = {
        {"memory", &words.script_memory},
        {"cpus", &words.script_cpus},
        {"timeout", &words.script_timeout},
        {"code_max_size", &words.code_max_size}};
    for (const auto& [key, text] : of_scripts) {
      if (!text->empty()) set_script_option(options, key, *text);
    }
    apply_go_faas_environment(
        options,
        [](const char* name) -> std::optional<std::string> {
          const char* value = std::getenv(name);
          return value == nullptr ? std::nullopt : std::optional<std::string>(value);
        },
        [&app](const char* name) { return app.count(name) > 0; });
    options.drain_timeout = function::parse_duration("drain-timeout", words.drain_timeout, {});
    options.cgroup_driver = sys::cgroup_driver_from(words.cgroup_driver);
    options.log_level = sys::log_level_from(words.log_level);
    options.log_format = sys::log_format_from(words.log_format);
    check(options);
    return options;
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
  } catch (const sys::Refused& error) {
    std::cerr << "faasd: " << error.what() << "\n";
    exit_code = 2;
  }
  return std::nullopt;
}

// faas doctor: looks at this host and says what to do. Works without a daemon and without root.
#include "faas-cli/doctor/examination.h"
#include "faas-cli/verb/verb.h"

namespace cli {
namespace {

struct DoctorOptions {
  doctor::Host host;
  std::string state_dir = host.state_dir;
  bool json = false;
};

ExitCode run_doctor(const DaemonClient& client, DoctorOptions& options) {
  options.host.state_dir = options.state_dir;
  const std::vector<doctor::Check> checks = doctor::examine(options.host, client);
  print(options.json ? to_text(doctor::examination_json(checks))
                     : doctor::examination_text(checks));
  return doctor::any_failed(checks) ? ExitCode::refused : ExitCode::done;
}

}  // namespace

void add_doctor_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "doctor", "check this host and say what to do", run_doctor);
  add_json_flag(verb, options.json);
  verb.add_option("--state-dir", options.state_dir, "where images will live")
      ->capture_default_str();
  verb.add_option("--runc", options.host.runc, "the runtime to look at")->capture_default_str();
  verb.add_option("--subnet", options.host.subnet, "the addresses of functions")
      ->capture_default_str();
  verb.add_option("--function-port", options.host.function_port, "their port")
      ->capture_default_str();
}

}  // namespace cli

#include "faas-cli/doctor/software.h"

#include "faas-cli/answer_json.h"
#include "faas-cli/doctor/probe.h"
#include "faas-cli/failure.h"
#include "oci/sys/program.h"

namespace cli::doctor {
namespace {

constexpr std::chrono::seconds kDaemonTimeout{5};

}  // namespace

Check check_daemon(const DaemonClient& client) {
  try {
    const Json answer = require_object(client.get("/version", kDaemonTimeout), client.endpoint());
    const std::string version = text_of(answer, "version");
    const std::string finding = "faasd " + version + " answers at " + client.endpoint().describe();
    if (version != FAAS_VERSION) {
      return {"daemon", Outcome::warn, finding + ", and this is faas " FAAS_VERSION,
              "install both from one release, and restart faasd"};
    }
    return {"daemon", Outcome::ok, finding, ""};
  } catch (const Failure& failure) {
    const bool refused = failure.exit_code() == ExitCode::refused;
    return {"daemon", Outcome::warn, failure.what(),
            refused ? "give a token, or be root or in the group faas"
                    : "start it (systemctl start faasd, or ./run.sh) if it should run here"};
  }
}

Check check_docker() {
  const auto result = sys::run_program({"docker", "--version"});
  if (!result || !result->success) {
    return {"docker", Outcome::ok, "not there; faasd does not need it, only `docker save` does",
            ""};
  }
  const std::vector<std::string> lines = split_lines(result->output);
  return {"docker", Outcome::ok, lines.empty() ? "there" : lines[0], ""};
}

}  // namespace cli::doctor

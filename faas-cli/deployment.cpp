#include "faas-cli/deployment.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include "faas-cli/interrupt.h"
#include "faas-cli/known_layers.h"
#include "faas-cli/progress_bar.h"
#include "faas-cli/terminal.h"

namespace cli {
namespace {

struct DeployOption {
  const char* flag;
  const char* key;  // of the query
  const char* help;
};

constexpr std::array kDeployOptions = {
    DeployOption{"--tag", "tag", "which image, where the tarball holds several"},
    DeployOption{"--platform", "platform", "the same, for other machines [this one's]"},
    DeployOption{"--digest", "digest", "take no other image than sha256:…"},
    DeployOption{"--memory", "memory", "memory of an instance, swap excluded [256M]"},
    DeployOption{"--cpus", "cpus", "processors an instance may use [1.0]"},
    DeployOption{"--pids", "pids", "processes and threads of an instance [128]"},
    DeployOption{"--timeout", "timeout", "longest time of an invocation [30s]"},
    DeployOption{"--concurrency", "concurrency", "instances at once [64]"},
    DeployOption{"--queue", "queue", "connections that may wait beyond that [256]"},
    DeployOption{"--queue-timeout", "queue_timeout", "longest wait of a connection [10s]"},
    DeployOption{"--tmpfs", "tmpfs", "size of /tmp and of /dev/shm [64M]"},
    DeployOption{"--open-files", "open_files", "open files of each process [1024]"},
    DeployOption{"--file-size", "file_size", "size of one file [1G]"},
    DeployOption{"--output", "output", "kept of stdout, and of stderr, of an instance [128K]"},
    DeployOption{"--warm", "warm", "instances to keep waiting, or auto [0]"},
    DeployOption{"--launcher", "launcher",
                 "runc or native: what starts the container [the daemon's]"},
    DeployOption{"--mode", "mode", "ephemeral, or branched from a snapshot [ephemeral]"},
    DeployOption{"--language", "language", "it runs scripts: see docs/LANGUAGES.md"},
    DeployOption{"--protocol", "protocol", "what clients speak: http or tcp [http]"},
};

// The function's place, with the options as its query.
std::string deploy_target(const Deployment& deployment,
                          const std::optional<std::string>& layer_request) {
  std::string target = function_target(deployment.name);
  char separator = '?';
  const auto append = [&](const std::string& key, const std::string& value) {
    target += separator + key + "=" + percent_encode(value);
    separator = '&';
  };
  if (layer_request) append("layer_request", *layer_request);
  for (const auto& [key, value] : deployment.options) append(key, value);
  for (const std::string& variable : deployment.env) append("env", variable);
  return target;
}

image::Selection selection_of(const Deployment& deployment) {
  image::Selection selection;
  for (const auto& [key, value] : deployment.options) {
    if (key == "tag") selection.tag = value;
    if (key == "platform") selection.platform = value;
    if (key == "digest") selection.digest = value;
  }
  return selection;
}

void print_aside(const std::string& line) noexcept {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void add_deploy_flags(CLI::App& verb, Deployment& deployment,
                      const std::vector<std::string_view>& but_for) {
  for (const DeployOption& option : kDeployOptions) {
    if (std::find(but_for.begin(), but_for.end(), option.key) != but_for.end()) continue;
    verb.add_option_function<std::string>(
        option.flag,
        [&deployment, key = option.key](const std::string& text) {
          deployment.options[key] = text;
        },
        option.help);
  }
  // One K=V a flag: else the flag would take NAME for another variable.
  verb.add_option("-e,--env", deployment.env, "a variable K=V for the container; may be repeated")
      ->allow_extra_args(false);
}

void ask_first(const DaemonClient& client, const Deployment& deployment) {
  const Answer answer = client.get(function_target(deployment.name));
  constexpr int kNotFound = 404;
  if (answer.status != kNotFound) require_object(answer, client.endpoint());
}

Json deploy(const DaemonClient& client, const Deployment& deployment, Upload& upload) {
  const std::string target =
      deploy_target(deployment, leave_out_known_layers(client, upload, selection_of(deployment)));
  Answer answer;
  {
    ProgressBar bar(STDERR_FILENO, upload.size());
    bar.enter(Progress::Phase::waiting);
    upload.await_first_bytes();
    bar.enter(Progress::Phase::uploading);
    UploadObserver observer;
    observer.sent = [&bar](std::uint64_t bytes) { bar.set_bytes(bytes); };
    observer.all_sent = [&bar] {
      say_on_interrupt("faas: interrupted; all was sent, and it may be deployed: see faas list\n");
      bar.enter(Progress::Phase::unpacking);
    };
    observer.waiting = [&bar] { bar.refresh(); };
    answer = client.put(target, upload, observer);
  }
  return require_object(answer, client.endpoint());
}

void print_notes(const Json& function, const std::string& hint) noexcept {
  for (const Json& note : list_of(function, "notes")) {
    if (note.is_string()) print_aside("note: " + printable(note.get<std::string>()) + "\n");
  }
  if (is_terminal(STDERR_FILENO)) print_aside(hint + "\n");
}

}  // namespace cli

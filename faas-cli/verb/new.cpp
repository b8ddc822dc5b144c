// faas new: deploys an image, as `docker save` and others write it, from stdin, a file or a
// directory. The options are the daemon's: their text goes there unread, so that there is one place
// that knows what is right.
#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include "faas-cli/answer_json.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/known_layers.h"
#include "faas-cli/progress_bar.h"
#include "faas-cli/terminal.h"
#include "faas-cli/verb/verb.h"

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
    DeployOption{"--warm", "warm", "instances to keep waiting [0]"},
    DeployOption{"--launcher", "launcher", "what starts the container [the daemon's]"},
    DeployOption{"--mode", "mode", "how instances live [ephemeral]"},
    DeployOption{"--protocol", "protocol", "what clients speak: http or tcp [http]"},
};

struct NewOptions {
  std::string name;
  std::optional<std::string> file;
  std::array<std::optional<std::string>, kDeployOptions.size()> values;
  std::vector<std::string> env;
  bool json = false;
};

// `target` with the options as its query.
std::string deploy_target(std::string target, const NewOptions& options,
                          const std::optional<std::string>& layer_request) {
  char separator = '?';
  const auto append = [&](const std::string& key, const std::string& value) {
    target += separator + key + "=" + percent_encode(value);
    separator = '&';
  };
  if (layer_request) append("layer_request", *layer_request);
  for (std::size_t i = 0; i < kDeployOptions.size(); ++i) {
    if (options.values[i]) append(kDeployOptions[i].key, *options.values[i]);
  }
  for (const std::string& variable : options.env) append("env", variable);
  return target;
}

image::Selection selection_of(const NewOptions& options) {
  image::Selection selection;
  for (std::size_t i = 0; i < kDeployOptions.size(); ++i) {
    const std::string_view key = kDeployOptions[i].key;
    if (!options.values[i]) continue;
    if (key == "tag") selection.tag = *options.values[i];
    if (key == "platform") selection.platform = *options.values[i];
    if (key == "digest") selection.digest = *options.values[i];
  }
  return selection;
}

// Asked before the tarball is touched: who is not allowed in learns it now, and not after a minute
// of `docker save`. That there is no such function yet is the usual answer.
void ask_first(const DaemonClient& client, const std::string& function_place) {
  const Answer answer = client.get(function_place);
  constexpr int kNotFound = 404;
  if (answer.status != kNotFound) require_object(answer, client.endpoint());
}

// Beside the result: the function is there, whether or not anybody reads this.
void print_aside(const std::string& line) noexcept {
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void print_result(const Json& function) {
  const std::string ip = printable(text_of(function, "ip"));
  print(printable(text_of(function, "name")) + " is at " + ip + ", version " +
        printable(text_of(function, "version")) + "\n");
  for (const Json& note : list_of(function, "notes")) {
    if (note.is_string()) print_aside("note: " + printable(note.get<std::string>()) + "\n");
  }
  if (!is_terminal(STDERR_FILENO)) return;
  const std::string port = printable(text_of(function, "port"));
  const std::string place = port == "80" || port == "-" ? ip : ip + ":" + port;
  const bool http = text_of(function, "protocol") != "tcp";
  print_aside(http ? "try: curl http://" + place + "/\n" : "connect to it at " + place + "\n");
}

ExitCode run_new(const DaemonClient& client, const NewOptions& options) {
  const std::string function_place = function_target(options.name);
  Upload upload = Upload::open(options.file, options.name);
  say_on_interrupt("faas: interrupted; nothing was deployed\n");
  exit_on_interrupt();
  ask_first(client, function_place);
  const std::string target = deploy_target(
      function_place, options, leave_out_known_layers(client, upload, selection_of(options)));

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
  const Json function = require_object(answer, client.endpoint());
  if (options.json) {
    print(to_text(function));
  } else {
    print_result(function);
  }
  return ExitCode::done;
}

}  // namespace

void add_new_verb(CLI::App& app, Context& context) {
  const auto [verb, options] =
      add_verb(app, context, "new", "deploy an image as a function", run_new);
  verb.footer("Example: docker save IMAGE | faas new NAME");
  verb.add_option("NAME", options.name, "the function; a known one is replaced")->required();
  verb.add_option("-f,--file", options.file,
                  "a tarball, or a directory with an OCI layout; without it, or for -, stdin");
  for (std::size_t i = 0; i < kDeployOptions.size(); ++i) {
    verb.add_option(kDeployOptions[i].flag, options.values[i], kDeployOptions[i].help);
  }
  // One K=V a flag: else the flag would take NAME for another variable.
  verb.add_option("-e,--env", options.env, "a variable K=V for the container; may be repeated")
      ->allow_extra_args(false);
  add_json_flag(verb, options.json);
}

}  // namespace cli

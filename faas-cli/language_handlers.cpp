#include "faas-cli/language_handlers.h"

#include <unistd.h>

#include <set>

#include "faas-cli/failure.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/output_file.h"
#include "faas-cli/script_run.h"
#include "oci/sys/error.h"
#include "oci/sys/subprocess.h"

namespace cli {
namespace {

constexpr const char* kDescription = "language.json";

// Ours, but for what is for the daemon: a token is nobody else's business.
std::vector<std::string> environment_with(const std::vector<std::string>& more) {
  std::vector<std::string> variables = more;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (!text.starts_with("FAAS_") && !text.starts_with("FAAS=")) variables.emplace_back(text);
  }
  return variables;
}

}  // namespace

LanguageHandlers::LanguageHandlers()
    : program_(std::filesystem::read_symlink("/proc/self/exe")),
      directory_((program_.parent_path() / FAAS_HANDLERS).lexically_normal()) {}

std::string LanguageHandlers::known_languages() const {
  std::set<std::string> names;
  std::error_code unreadable;
  for (const auto& each : std::filesystem::directory_iterator(directory_, unreadable)) {
    if (std::filesystem::exists(each.path() / kDescription)) names.insert(each.path().filename());
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string LanguageHandlers::description(const std::string& language) const {
  const std::filesystem::path file = directory_ / language / kDescription;
  if (language.find('/') == std::string::npos && std::filesystem::exists(file)) {
    return read_code(file);
  }
  const std::string known = known_languages();
  if (known.empty()) throw_usage("there are no languages in " + directory_.string());
  throw_usage("'" + language + "' is no language that is here; these are: " + known);
}

Upload LanguageHandlers::make_image(const std::string& language) const {
  OutputFile image = OutputFile::temporary();
  note_interrupts();
  sys::SubprocessOptions options;
  options.argv = {directory_ / "make-image", language};
  options.env = environment_with(
      {"FAAS=" + program_.string(),
       "FAAS_RECEIVE=" + (program_.parent_path() / FAAS_RECEIVE).lexically_normal().string()});
  options.stdout_fd = image.fd();
  options.stderr_fd = STDERR_FILENO;
  const sys::ExitStatus status = sys::Subprocess(options).wait();
  exit_if_interrupted();
  exit_on_interrupt();
  if (!status.success()) {
    throw Failure(ExitCode::refused, "the image of " + language + " could not be made");
  }
  if (::lseek(image.fd(), 0, SEEK_SET) != 0) sys::throw_errno("seek " + image.name());
  return Upload::take(sys::duplicate(image.fd()), "the image of " + language);
}

}  // namespace cli

// faas pack: makes an image archive, as `docker save` writes it, from a directory and without
// Docker. Needs no daemon.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "faas-cli/answer_json.h"
#include "faas-cli/image_words.h"
#include "faas-cli/interrupt.h"
#include "faas-cli/output_file.h"
#include "faas-cli/progress_bar.h"
#include "faas-cli/units.h"
#include "faas-cli/verb/verb.h"
#include "oci/image/image_writer.h"
#include "oci/sys/error.h"

namespace cli {
namespace {

// A root filesystem of a distribution has some 20 devices; nobody reads more lines than this.
constexpr std::size_t kNotesShown = 30;

struct PackOptions {
  std::string directory;
  std::optional<std::string> output;
  std::string entrypoint;
  std::string cmd;
  std::vector<std::string> env;
  std::string working_dir;
  std::string user;
  std::vector<std::string> labels;
  std::vector<std::string> tags;
  bool keep_owners = false;
  bool json = false;
};

void refuse_file(const std::string& path) {
  std::error_code unreachable;  // whoever reads the directory says why
  if (!std::filesystem::is_regular_file(path, unreachable)) return;
  throw_usage(path + " is no directory; an archive is deployed with `faas new NAME -f " + path +
              "`");
}

image::ImageSource source_of(const PackOptions& options) {
  image::ImageSource source;
  source.layer.directory = options.directory;
  source.layer.keep_owners = options.keep_owners;
  image::ImageConfig& config = source.config;
  if (!options.entrypoint.empty()) {
    config.entrypoint = command_words("--entrypoint", options.entrypoint);
  }
  if (!options.cmd.empty()) config.cmd = command_words("--cmd", options.cmd);
  if (config.command().empty()) {
    throw_usage("nothing says what the image runs: add --entrypoint /PROGRAM");
  }
  for (const std::string& variable : options.env) key_and_value("--env", variable);  // may throw
  config.env = options.env;
  config.working_dir = options.working_dir;
  config.user = options.user;
  for (const std::string& label : options.labels) {
    const auto [key, value] = key_and_value("--label", label);
    config.labels[key] = value;
  }
  for (const std::string& tag : options.tags) source.tags.push_back(full_tag(tag));
  if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH"); epoch != nullptr && *epoch != '\0') {
    source.created = source_date_epoch(epoch);
    source.layer.newest = source.created;
  }
  return source;
}

// Its directory would change with every run, and with it the image.
void refuse_output_inside(const OutputFile& output, const std::string& directory) {
  if (output.is_stdout()) return;
  std::error_code error;
  const std::filesystem::path packed = std::filesystem::canonical(directory, error);
  if (error) throw_usage("cannot read " + directory + ": " + error.message());
  const std::filesystem::path place = std::filesystem::canonical(output.directory());
  const auto [end, rest] = std::mismatch(packed.begin(), packed.end(), place.begin(), place.end());
  if (end == packed.end()) {
    throw_usage(output.name() + " lies inside " + directory +
                ", which it is made from: write it elsewhere");
  }
}

// What the shell has opened for us, if it is a file: it may lie in the directory too.
std::optional<image::FileId> stdout_file() {
  struct stat st {};
  if (::fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode)) return std::nullopt;
  return image::FileId{st.st_dev, st.st_ino};
}

void print_result(const PackOptions& options, const image::WrittenImage& written) {
  if (options.json) {
    print(to_text({{"file", *options.output},
                   {"image", written.digest},
                   {"size_bytes", written.size_bytes}}));
  } else {
    print(*options.output + " is " + written.digest + ", " + format_bytes(written.size_bytes) +
          "\n");
  }
}

image::WrittenImage write(image::ImageSource& source, const OutputFile& output) {
  // Down a pipe, it is the reader who shows how far it is.
  std::optional<ProgressBar> bar;
  if (!output.is_stdout()) bar.emplace(STDERR_FILENO, std::nullopt);
  if (bar) bar->enter(Progress::Phase::packing);
  std::size_t notes = 0;
  source.layer.left_out = [&](const std::string& path, const std::string& reason) {
    if (++notes > kNotesShown) return;
    if (bar) bar->clear();
    print_error("left out " + path + ": " + reason);
  };
  image::WrittenImage written =
      image::write_image(source, output.fd(), output.name(), [&](std::uint64_t bytes) {
        if (bar) bar->set_bytes(bytes);
      });
  if (bar) bar->clear();
  if (notes > kNotesShown) {
    print_error("left out " + std::to_string(notes - kNotesShown) + " more");
  }
  return written;
}

ExitCode run_pack(const PackOptions& options) {
  refuse_file(options.directory);
  image::ImageSource source = source_of(options);
  OutputFile output =
      OutputFile::open(options.output, "faas pack DIR -o FILE, or faas pack DIR | faas new NAME");
  if (options.json && output.is_stdout()) {
    throw_usage("--json needs -o FILE: stdout is for the tarball");
  }
  refuse_output_inside(output, options.directory);
  if (output.is_stdout()) source.layer.output = stdout_file();
  exit_on_interrupt();
  try {
    const image::WrittenImage written = write(source, output);
    output.commit();
    if (!output.is_stdout()) print_result(options, written);
  } catch (const sys::Refused& refused) {
    throw_usage(refused.what());
  }
  return ExitCode::done;
}

}  // namespace

void add_pack_verb(CLI::App& app, Context& context) {
  CLI::App* verb = app.add_subcommand("pack", "make an image from a directory, without Docker");
  verb->footer("Example: faas pack DIR --entrypoint /app | faas new NAME");
  const auto options = std::make_shared<PackOptions>();
  verb->add_option("DIR", options->directory, "the root of the image's files")->required();
  verb->add_option("-o,--output", options->output, "the tarball; without it, or for -, stdout");
  verb->add_option("--entrypoint", options->entrypoint,
                   R"(what runs: a program, or a list '["/app", "-v"]')");
  verb->add_option("--cmd", options->cmd, "its arguments, or what runs: a word, or a list");
  verb->add_option("-e,--env", options->env, "a variable K=V of the image; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--workdir", options->working_dir, "the directory it starts in [/]");
  verb->add_option("--user", options->user, "whom it runs as: NAME or UID, :GROUP behind it [0]");
  verb->add_option("--label", options->labels, "a label K=V of the image; may be repeated")
      ->allow_extra_args(false);
  verb->add_option("--tag", options->tags, "the name NAME:TAG for docker load; may be repeated")
      ->allow_extra_args(false);
  verb->add_flag("--keep-owners", options->keep_owners, "owners as on disk; else all is root's");
  add_json_flag(*verb, options->json);
  verb->callback([&context, options] { context.run = [options] { return run_pack(*options); }; });
}

}  // namespace cli

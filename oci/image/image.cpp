#include "oci/image/image.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "oci/image/entry_path.h"
#include "oci/image/quota.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/sys/file.h"

namespace image {
namespace {

// What a shell has when nobody has set one; the same as Docker's default.
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// The kernel's own limit for a "#!" line (BINPRM_BUF_SIZE).
constexpr std::size_t kShebangBytes = 256;

std::string path_of(const ImageConfig& config) {
  std::string path(kDefaultPath);
  for (const std::string& variable : config.env) {
    if (variable.starts_with("PATH=")) path = variable.substr(5);  // the last one counts
  }
  return path;
}

// exec(2) for a process that has no capabilities: one class of permission bits decides.
bool may_execute(struct stat st, const ProcessUser& user, bool belongs_to_root) {
  if (belongs_to_root) st.st_uid = st.st_gid = 0;
  if (!S_ISREG(st.st_mode)) return false;
  if (st.st_uid == user.uid) return (st.st_mode & S_IXUSR) != 0;
  const auto& groups = user.additional_gids;
  const bool in_group =
      st.st_gid == user.gid || std::find(groups.begin(), groups.end(), st.st_gid) != groups.end();
  return (st.st_mode & (in_group ? S_IXGRP : S_IXOTH)) != 0;
}

enum class Found { nowhere, not_executable, executable };

Found look_at(int root_fd, const std::string& path, const ProcessUser& user, bool belongs_to_root) {
  const auto fd = sys::open_in_root(root_fd, path, O_PATH);
  if (!fd) return Found::nowhere;
  return may_execute(stat_of(fd->get()), user, belongs_to_root) ? Found::executable
                                                                : Found::not_executable;
}

// The program that a script names in its first line; empty for anything else.
std::string interpreter_of(int root_fd, const std::string& path) {
  const auto fd = sys::open_in_root(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd) return {};
  std::string line = read_begin(fd->get(), kShebangBytes);
  if (!line.starts_with("#!")) return {};
  line = line.substr(2, line.find('\n') - 2);
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
}

std::string below(const std::string& directory, const std::string& name) {
  return name.starts_with('/') ? name : directory + "/" + name;
}

// Where the container would look for the program, in its order.
std::vector<std::string> candidates(const ImageConfig& config, const std::string& program,
                                    const std::string& working_dir) {
  if (program.find('/') != std::string::npos) return {below(working_dir, program)};
  std::vector<std::string> paths;
  const std::string path = path_of(config);
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    paths.push_back(below(working_dir, path.substr(begin, end - begin)) + "/" + program);
    begin = end + 1;
  }
  return paths;
}

bool is_below(const std::string& path, std::string_view directory) {
  return path == directory || path.starts_with(std::string(directory) + "/");
}

}  // namespace

std::vector<std::string> ImageConfig::command() const {
  std::vector<std::string> all = entrypoint;
  all.insert(all.end(), cmd.begin(), cmd.end());
  return all;
}

void check_command(const ImageConfig& config, const std::filesystem::path& root,
                   bool belongs_to_root) {
  const std::vector<std::string> command = config.command();
  if (command.empty() || command.front().empty()) {
    refuse("no_command", "the image names no command: give its Dockerfile a CMD or ENTRYPOINT");
  }
  const std::string& program = command.front();
  const sys::UniqueFd root_fd = sys::open_directory(root);
  const ProcessUser user = resolve_user(config, root);
  Found best = Found::nowhere;
  for (const std::string& path : candidates(config, program, resolve_working_dir(config, root))) {
    const Found found = look_at(root_fd.get(), path, user, belongs_to_root);
    best = std::max(best, found);
    if (found != Found::executable) continue;
    const std::string interpreter = interpreter_of(root_fd.get(), path);
    if (interpreter.empty() ||
        look_at(root_fd.get(), interpreter, user, belongs_to_root) != Found::nowhere)
      return;
    refuse("command_not_found", "the image's command '" + printable(program) +
                                    "' is a script for '" + printable(interpreter) +
                                    "', which is not in the image");
  }
  if (best == Found::not_executable) {
    refuse("command_not_executable", "the image's command '" + printable(program) +
                                         "' may not be run by its user: chmod +x it");
  }
  refuse("command_not_found", "the image's command '" + printable(program) +
                                  "' is not in the image, nor in its PATH (/tmp, /dev, /proc and "
                                  "/sys are empty there)");
}

std::string resolve_working_dir(const ImageConfig& config, const std::filesystem::path& root) {
  const std::string& written = config.working_dir;
  if (written.empty()) return "/";
  std::string path = normal_path(written);
  const auto refuse_it = [&](const std::string& reason) {
    refuse("bad_working_dir", "the image's WorkingDir '" + printable(written) + "' " + reason);
  };
  if (path.empty()) refuse_it("is not absolute");
  const sys::UniqueFd root_fd = sys::open_directory(root);
  const auto directory = sys::open_in_root(root_fd.get(), path, O_PATH | O_DIRECTORY);
  const std::string real = directory ? path_in_root(root_fd.get(), directory->get()) : path;
  for (const std::string_view kernel : {"/proc", "/sys", "/dev"}) {
    if (is_below(path, kernel) || is_below(real, kernel)) {
      refuse_it("lies under " + std::string(kernel));
    }
  }
  // The image's own /tmp is never seen: the container's is new and empty, and made writable there.
  if (!directory && !is_below(path, "/tmp")) refuse_it("is no directory of the image");
  return path;
}

}  // namespace image

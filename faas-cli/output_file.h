// Where a verb writes a file: it appears under its name when it is complete, or never. Stdout gets
// the bytes then, out of a temporary file, because they are not written in order. One thread.
// Throws Failure(usage) for a place where no file can go, std::system_error if writing fails.
// Source: open(2), O_TMPFILE.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <string>

#include "oci/sys/unique_fd.h"

namespace cli {

class OutputFile {
 public:
  // No file, or "-", is stdout. A terminal is refused: `hint` says what to do instead.
  static OutputFile open(const std::optional<std::string>& file, const std::string& hint);
  // One in TMPDIR, which nobody sees: for what goes to stdout, or to the daemon.
  static OutputFile temporary();
  OutputFile(OutputFile&&) = default;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  // An empty regular file to write to.
  int fd() const noexcept { return fd_.get(); }
  // In messages.
  const std::string& name() const noexcept { return name_; }
  bool is_stdout() const noexcept { return target_.empty(); }
  // Its directory; empty for stdout.
  std::filesystem::path directory() const;

  void commit();

 private:
  explicit OutputFile(std::filesystem::path target) : target_(std::move(target)) {}

  void create(const std::filesystem::path& directory, mode_t mode);
  void copy_to_stdout() const;

  std::filesystem::path target_;
  std::string name_;
  sys::UniqueFd fd_;
  // A name beside the target: where the file system knows no file without one, and for a moment on
  // the way to the target, because linkat(2) replaces nothing.
  std::filesystem::path temporary_;
};

}  // namespace cli

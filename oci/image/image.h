// What an image is once it is unpacked: an immutable root filesystem and the configuration that
// came with it, named by its digest. A plain value; shared by functions through shared_ptr. Files
// of the root filesystem share their inodes with other images: nothing may ever write to it.
// Source: OCI image-spec, config.md.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace image {

struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::vector<std::string> env;  // "KEY=value"
  std::string working_dir;       // as written; empty means "/"
  std::string user;              // as written: "", "1000", "1000:1000", "app", "app:staff"
  std::string architecture;
  std::string os;
  std::map<std::string, std::string> labels;

  // Entrypoint followed by Cmd: what runs. Empty if the image names none.
  std::vector<std::string> command() const;
};

// A directory that a root filesystem shares with another one: it lies in `tree`, at the same path,
// and an empty directory stands for it.
struct Graft {
  std::string path;  // relative to the root
  std::filesystem::path tree;
};

struct Image {
  std::string digest;            // "sha256:<64 hex>" of the image's config
  std::filesystem::path rootfs;  // read-only for everybody: its inodes are shared
  std::vector<Graft> grafts;     // without these it is not whole: runtime/rootfs_view.h
  ImageConfig config;
  std::uint64_t size_bytes = 0;    // of regular files in the composed tree
  std::vector<std::string> notes;  // what the import left out: "3 device nodes, …"
};

// What follows is asked of a whole root filesystem, its grafts included: `root` is where it is
// seen.

// Who the container's process is, from ImageConfig::user and the image's own /etc/passwd and
// /etc/group.
struct ProcessUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> additional_gids;
  std::string home = "/";
};

// Throws sys::Refused(invalid, "unknown_user") if the image has no such user or group. Files are
// read inside the root only, bounded.
ProcessUser resolve_user(const ImageConfig& config, const std::filesystem::path& root);

// The command's program as the container would find it (PATH of the image's Env, links resolved
// inside the root). Throws sys::Refused(invalid): "no_command" if the image has none,
// "command_not_found" if it is not there, "command_not_executable" if it may not be run.
// With `belongs_to_root`, as if all files did: what `faas pack` makes of a directory of anybody's.
void check_command(const ImageConfig& config, const std::filesystem::path& root,
                   bool belongs_to_root = false);

// ImageConfig::working_dir as an absolute, normalised path. Throws sys::Refused(invalid,
// "bad_working_dir") if it is relative, lies under /proc, /sys or /dev, or is no directory.
std::string resolve_working_dir(const ImageConfig& config, const std::filesystem::path& root);

}  // namespace image

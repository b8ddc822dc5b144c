#include "faas-cli/doctor/resources.h"

#include <sys/resource.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "faas-cli/doctor/probe.h"
#include "faas-cli/units.h"
#include "oci/runtime/host_ids.h"

namespace cli::doctor {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;
// Two instances at the default limit of 256 MiB.
constexpr std::uint64_t kMemoryBytesEnough = 512 * kMiB;
// A language's base image unpacks to about a gigabyte; below the second no import can succeed.
constexpr std::uint64_t kDiskBytesEnough = 2048 * kMiB;
constexpr std::uint64_t kDiskBytesLeast = 128 * kMiB;
// The same image has some fifty thousand files.
constexpr std::uint64_t kInodesEnough = 100'000;
constexpr std::uint64_t kInodesLeast = 5'000;
// A connection, its instance's pidfd, control socket and pipes, for the default limit of 64
// instances of a dozen functions.
constexpr std::uint64_t kDescriptorsEnough = 4096;
// The last id is no id (-1).
constexpr std::uint64_t kLastId = 0xffff'fffeULL;

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

// The state directory, or what is there of the way to it.
std::filesystem::path existing_part(std::filesystem::path path) {
  std::error_code error;
  while (path.has_relative_path() && !std::filesystem::exists(path, error)) {
    if (error && error != std::errc::no_such_file_or_directory) break;  // not ours to look into
    path = path.parent_path();
  }
  return path;
}

struct Space {
  std::filesystem::path path;
  std::uint64_t free_bytes = 0;
  std::uint64_t free_inodes = 0;
  bool counts_inodes = true;  // btrfs for one makes them as it goes
};

Space measure(const Host& host) {
  Space space;
  space.path = existing_part(host.root / host.state_dir.relative_path());
  struct statvfs status {};
  if (::statvfs(space.path.c_str(), &status) != 0) {
    throw std::system_error(errno, std::generic_category(), "statvfs " + space.path.string());
  }
  space.free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
  space.free_inodes = status.f_favail;
  space.counts_inodes = status.f_files != 0;
  return space;
}

}  // namespace

Check check_memory(const Host& host) {
  const auto text =
      value_after(read_text(host, "proc/meminfo").value_or(""), "MemAvailable:").value_or("");
  const auto kibibytes = parse_number(text);
  if (!kibibytes) {
    return {"memory", Outcome::warn, "/proc/meminfo does not say what is available", "mount /proc"};
  }
  const std::uint64_t bytes = *kibibytes * 1024;
  const std::string finding = format_bytes(bytes) + " available";
  if (bytes < kMemoryBytesEnough) {
    return {"memory", Outcome::warn, finding + ", less than two instances may use",
            "deploy with a lower --memory, or add memory"};
  }
  return {"memory", Outcome::ok, finding, ""};
}

Check check_disk(const Host& host) {
  const Space space = measure(host);
  const std::string finding = format_bytes(space.free_bytes) + " free at " + space.path.string();
  if (space.free_bytes >= kDiskBytesEnough) return {"disk", Outcome::ok, finding, ""};
  const bool none = space.free_bytes < kDiskBytesLeast;
  return {"disk", none ? Outcome::fail : Outcome::warn,
          finding + (none ? ", too little for any image" : ", too little for a large image"),
          "free space there, or start faasd with --state-dir on a larger disk"};
}

Check check_inodes(const Host& host) {
  const Space space = measure(host);
  if (!space.counts_inodes) {
    return {"inodes", Outcome::ok, "made as they are needed at " + space.path.string(), ""};
  }
  const std::string finding = std::to_string(space.free_inodes) + " free at " + space.path.string();
  if (space.free_inodes >= kInodesEnough) return {"inodes", Outcome::ok, finding, ""};
  const bool none = space.free_inodes < kInodesLeast;
  return {"inodes", none ? Outcome::fail : Outcome::warn,
          finding + (none ? ", too few for any image" : ", too few for a large image"),
          "remove small files there, or start faasd with --state-dir on another filesystem"};
}

Check check_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::system_error(errno, std::generic_category(), "getrlimit");
  }
  const bool unlimited = limit.rlim_max == RLIM_INFINITY;
  const std::string finding =
      "at most " + (unlimited ? "any number" : std::to_string(limit.rlim_max)) + " for a process";
  if (!unlimited && limit.rlim_max < kDescriptorsEnough) {
    return {"descriptors", Outcome::warn, finding + ", too few for hundreds of connections",
            "raise the hard limit: LimitNOFILE=65536 in faasd's unit, or ulimit -Hn"};
  }
  return {"descriptors", Outcome::ok, finding, ""};
}

std::vector<IdRange> parse_subordinate_ids(std::string_view text) {
  std::vector<IdRange> ranges;
  for (const std::string& line : split_lines(text)) {
    const std::size_t first_colon = line.find(':');
    const std::size_t second_colon = line.find(':', first_colon + 1);
    if (first_colon == std::string::npos || second_colon == std::string::npos) continue;
    const auto first = parse_number(std::string_view(line).substr(first_colon + 1));
    const auto count = parse_number(std::string_view(line).substr(second_colon + 1));
    if (!first || !count || *count == 0 || *first > kLastId) continue;
    const std::uint64_t room = kLastId - *first;
    ranges.push_back({*first, *first + std::min(*count - 1, room)});
  }
  return ranges;
}

std::optional<IdRange> first_overlap(const std::vector<IdRange>& ranges) {
  for (const IdRange& range : ranges) {
    if (range.first <= runtime::kLastSlotHostId && range.last >= runtime::kFirstHighHostId) {
      return range;
    }
  }
  return std::nullopt;
}

Check check_user_ids(const Host& host) {
  const std::string ours =
      std::to_string(runtime::kFirstHighHostId) + " to " + std::to_string(runtime::kLastSlotHostId);
  for (const char* file : {"etc/subuid", "etc/subgid"}) {
    const auto taken = first_overlap(parse_subordinate_ids(read_text(host, file).value_or("")));
    if (!taken) continue;
    return {"user ids", Outcome::warn,
            "/" + std::string(file) + " gives " + std::to_string(taken->first) + " to " +
                std::to_string(taken->last) + " to somebody, and functions have " + ours,
            "give that user ids below " + std::to_string(runtime::kFirstHighHostId) +
                ": he is as good as the owner of the functions that have them"};
  }
  return {"user ids", Outcome::ok, "nobody else has those of functions, " + ours, ""};
}

}  // namespace cli::doctor

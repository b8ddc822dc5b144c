// A Function: a name, an image, an address, limits, a mode. A plain value, copied freely; stored
// with its earlier versions (History) as one JSON file that people may read (see
// docs/OPERATIONS.md). Units stand last in the names.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/function/language.h"
#include "oci/sys/netlink.h"

namespace function {

enum class Protocol {
  http,  // errors of the daemon are answered in HTTP
  tcp,   // errors of the daemon just close the connection
};

struct Limits {
  std::uint64_t memory_bytes = 256ULL << 20;  // swap is off
  double cpus = 1.0;
  std::uint32_t pids = 128;
  std::chrono::milliseconds timeout{30'000};  // accept to the end of the instance, waiting excluded
  std::uint32_t concurrency = 64;             // instances of one function at once
  std::uint32_t queue = 256;                  // connections that wait beyond that
  std::chrono::milliseconds queue_timeout{10'000};
  std::uint64_t tmpfs_bytes = 64ULL << 20;     // each of /tmp and /dev/shm
  std::uint32_t open_files = 1'024;            // of each process
  std::uint64_t file_size_bytes = 1ULL << 30;  // of one file, its holes included
  std::uint64_t output_bytes = 128ULL << 10;   // kept of each of stdout and stderr, per instance
};

// What the daemon was told of the scripts of all languages; what is empty is as each has it.
struct ScriptLimits {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<double> cpus;
  std::optional<std::chrono::milliseconds> timeout;
};

// How instances come to life: each with its program, or with the memory of one that has started
// before.
inline constexpr std::string_view kEphemeral = "ephemeral";
inline constexpr std::string_view kBranched = "branched";

// Instances that are kept parked, waiting for a connection.
struct Warm {
  bool automatic = false;       // as many as the function's own traffic asks for
  std::uint32_t instances = 0;  // so many, if not

  bool operator==(const Warm&) const = default;
};

// What the owner may choose at a deploy; everything else follows from the image and the daemon.
struct Options {
  Limits limits;
  std::vector<std::string> env;  // "K=V", added to the image's
  Protocol protocol = Protocol::http;
  std::string launcher;  // empty: the daemon's default
  std::string mode;      // empty: branched for a language that knows how, else ephemeral
  Warm warm;
  std::optional<Language> language;  // runs what faasd sends it, and serves no connections
};

// What one deploy made of an image and of options, or a rollback of an earlier version.
struct Version : Options {
  std::uint64_t version = 1;
  std::string image;                 // digest
  std::vector<std::string> command;  // the image's Entrypoint and Cmd, for people to read
  std::string created_at;            // RFC 3339, UTC
  std::uint64_t rollback_of = 0;     // the version that this one brought back; 0: it was deployed
};

// Its current version, and what all of its versions share.
struct Function : Version {
  std::string name;
  sys::Ipv4 address;
  std::uint16_t port = 80;
};

// `[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?`; throws sys::Refused(invalid, "bad_name").
void check_name(std::string_view name);

std::string_view to_word(Protocol protocol);
Protocol protocol_from(std::string_view word);  // throws sys::Refused(invalid, "bad_option")

// Sets one option from its text: the words of the command line and of the query string
// ("memory" "256M", "cpus" "1.5", "timeout" "30s", "env" "K=V", "queue_timeout" "10s", "tmpfs",
// "file_size", "output", "open_files", "pids", "concurrency", "queue", "protocol", "launcher",
// "mode", "warm", "language").
// Throws sys::Refused(invalid, "bad_option" or "unknown_option") that names the option, the text
// and what would be right.
void set_option(Options& options, const std::string& key, const std::string& text);

// "250ms", "30s", "5m", "2h", a bare number is seconds; from `low` to a day. Throws as set_option.
std::chrono::milliseconds parse_duration(const std::string& key, const std::string& text,
                                         std::chrono::milliseconds low);

// "64K", "1.5M"; from `low` to `high` bytes. Throws as set_option.
std::uint64_t parse_bytes(const std::string& key, const std::string& text, std::uint64_t low,
                          std::uint64_t high);

nlohmann::json to_json(const Limits& limits);
nlohmann::json to_json(const Version& version);
nlohmann::json to_json(const Function& function);
// These two throw sys::Refused(invalid, "corrupt_function") that names the field.
Version version_from_json(const nlohmann::json& json);
Function function_from_json(const nlohmann::json& json);

}  // namespace function

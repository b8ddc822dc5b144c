// The process between the archive and the disk: what it may do, and what the daemon does when it
// does not behave.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

using fixture::Outcome;
using fixture::Store;

namespace {

std::string only_child() {
  for (const std::string& task : sys::list_directory("/proc/self/task")) {
    std::ifstream file("/proc/self/task/" + task + "/children");
    std::string pid;
    if (file >> pid) return pid;
  }
  return {};
}

std::string status_field(const std::string& pid, const std::string& name) {
  std::ifstream file("/proc/" + pid + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return {};
}

// A program in the place of `faasd unpack-image` that does what the script says.
std::filesystem::path script(const fixture::TemporaryDirectory& directory,
                             const std::string& body) {
  auto path = directory.path() / "program";
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  ::chmod(path.c_str(), 0755);
  return path;
}

Outcome import_with(const std::string& body, std::chrono::milliseconds patience,
                    const std::string& archive) {
  fixture::TemporaryDirectory directory;
  Store store({}, patience, script(directory, body));
  return store.import(archive);
}

constexpr std::chrono::milliseconds kLong{60'000};
constexpr std::chrono::milliseconds kShort{200};
const std::string kArchive = builder::docker_save({{builder::file("a")}});

}  // namespace

TEST_CASE("the unpacking process is confined before it reads the archive") {
  NEEDS_ROOT();
  Store store;
  const auto import = store.store()->begin_import();
  // More than a pipe holds: when this returns, the process has begun to read.
  import->write(builder::tar_entry(builder::file("x.bin", std::string(4 << 20, 'x'))));
  const std::string pid = only_child();
  REQUIRE(!pid.empty());
  // chown, dac_override, fowner, fsetid: bits 0, 1, 3, 4.
  CHECK(status_field(pid, "CapEff") == "000000008000001b");
  CHECK(status_field(pid, "CapPrm") == "000000008000001b");
  CHECK(status_field(pid, "CapBnd") == "000000008000001b");
  CHECK(status_field(pid, "CapInh") == "0000000000000000");
  CHECK(status_field(pid, "CapAmb") == "0000000000000000");
  CHECK(status_field(pid, "NoNewPrivs") == "1");
  CHECK(status_field(pid, "Seccomp") == "2");
  CHECK(status_field(pid, "Threads") == "1");
  for (const char* name : {"mnt", "net", "ipc", "uts", "cgroup"}) {
    CAPTURE(std::string(name));
    CHECK(std::filesystem::read_symlink("/proc/" + pid + "/ns/" + name) !=
          std::filesystem::read_symlink(std::string("/proc/self/ns/") + name));
  }
  std::ifstream mounts("/proc/" + pid + "/mountinfo");
  std::string line;
  REQUIRE(std::getline(mounts, line));
  std::istringstream fields(line);
  std::string id, parent, device, root, point, options;
  fields >> id >> parent >> device >> root >> point >> options;
  CHECK(point == "/");
  CHECK(root.ends_with("/state/staging/0/unpack"));
  CHECK(options.find("nosuid,nodev,noexec") != std::string::npos);
  CHECK(!std::getline(mounts, line));
  CHECK(sys::list_directory("/proc/" + pid + "/fd").size() == 4);  // 0, 1, 2, and the layers
  CHECK(std::filesystem::is_empty("/proc/" + pid + "/environ"));
}

TEST_CASE("memory of the daemon stays flat while an image passes through") {
  NEEDS_ROOT();
  const auto resident_kib = [] { return std::stoul(status_field("self", "VmRSS")); };
  Store store;
  const std::string piece(1 << 20, 'x');
  constexpr std::size_t kPieces = 256;
  builder::Item item = builder::file("x.bin");
  item.content.clear();
  item.stated_size = static_cast<std::int64_t>(kPieces * piece.size());
  const auto import = store.store()->begin_import();
  import->write(builder::tar_entry(item));
  const std::size_t before = resident_kib();
  for (std::size_t i = 0; i < kPieces; ++i) import->write(piece);
  CHECK(resident_kib() - before < 16384);  // of 256 MiB
}

TEST_CASE("a refusal reaches the sender while it still sends, and SIGPIPE reaches nobody") {
  NEEDS_ROOT();
  struct sigaction by_default {};
  struct sigaction before {};
  by_default.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &by_default, &before);
  Store store;
  const Outcome outcome = store.import(std::string(8 << 20, 'x'));
  ::sigaction(SIGPIPE, &before, nullptr);
  CHECK(outcome.code == "not_an_archive");
}

TEST_CASE("a process that dies, lies, hangs or talks too much is no image and no harm") {
  NEEDS_ROOT();
  const std::string large = kArchive + std::string(4 << 20, '\0');
  CHECK(import_with("exit 3", kLong, kArchive).code == "unpack_failed");
  CHECK(import_with("exit 0", kLong, large).code == "unpack_failed");
  CHECK(import_with("kill -9 $$", kLong, large).code == "unpack_failed");
  CHECK(import_with("cat >/dev/null; kill -SEGV $$", kLong, kArchive).code == "unpack_failed");
  CHECK(import_with("cat >/dev/null; echo hello", kLong, kArchive).code == "unpack_failed");
  CHECK(import_with("cat >/dev/null; yes", kLong, kArchive).code == "unpack_failed");
  CHECK(import_with("exec cat", kLong, kArchive).code == "unpack_failed");
  CHECK(import_with("exec tail -f /dev/null", kShort, kArchive).code == "unpack_timeout");
  CHECK(import_with("exec tail -f /dev/null", kShort, large).code == "unpack_timeout");
  CHECK(import_with("exec >&-; kill -STOP $$", kShort, kArchive).code == "unpack_timeout");
}

TEST_CASE("a report is believed in its form only") {
  NEEDS_ROOT();
  const auto report = [](const std::string& json) {
    return import_with("cat >/dev/null; printf '%s\\n' '" + json + "'", kLong, kArchive).code;
  };
  CHECK(report("{}") == "unpack_failed");
  CHECK(report("[]") == "unpack_failed");
  CHECK(report(R"({"refused":{"reason":"forbidden","code":"x","message":"y"}})") ==
        "unpack_failed");
  CHECK(report(R"({"refused":{"reason":"invalid","code":"No Code","message":"y"}})") ==
        "unpack_failed");
  CHECK(report(R"({"refused":{"reason":"invalid","code":"a_code","message":"y"}})") == "a_code");
  const auto layers = [&](const std::string& layer) {
    return report(R"({"layers":[)" + layer +
                  R"(],"links":{},"documents":[],"has_end_mark":true,"special_files":0,)"
                  R"("oversized":[],"attributes":0})");
  };
  CHECK(layers("") == "not_an_image");
  CHECK(layers(R"({"path":"a","directory":"../..","diff":"x","compressed":"x","size":1})") ==
        "unpack_failed");
  CHECK(layers(R"({"path":"a","directory":0,"diff":"../../x","compressed":"x","size":1})") ==
        "unpack_failed");
}

TEST_CASE("a program that is not there is said so") {
  NEEDS_ROOT();
  Store store({}, kLong, "/nowhere/faasd");
  const Outcome outcome = store.import(kArchive);
  CHECK(outcome.code == "import_failed");
  CHECK(outcome.message.find("/nowhere/faasd") != std::string::npos);
}

#include "oci/image/image_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "oci/image/digest.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "tests/oci/image/store_fixture.h"
#include "tests/support/scratch.h"

using fixture::Outcome;
using fixture::Store;
using support::Scratch;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxBytes = 64 << 20;

void put(const fs::path& path, const std::string& content, mode_t mode = 0644) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

void set_time(const fs::path& path, std::time_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// A directory with a program, and what is needed to pack it.
struct Packing {
  Scratch scratch;
  fs::path root = scratch.path() / "root";
  fs::path output = scratch.path() / "x.tar";
  image::ImageSource source;
  std::vector<std::string> left_out;
  image::WrittenImage written;

  Packing() {
    put(root / "app", "#!/app\n", 0755);
    source.layer.directory = root;
    source.layer.left_out = [this](const std::string& path, const std::string&) {
      left_out.push_back(path);
    };
    source.config.entrypoint = {"/app"};
  }

  std::string pack() {
    const sys::UniqueFd fd = sys::open_file(output, O_RDWR | O_CREAT | O_TRUNC, 0600);
    written = image::write_image(source, fd.get(), "x.tar", [](std::uint64_t) {});
    return sys::read_file(output, kMaxBytes);
  }

  // The code of the refusal; empty if there was none.
  std::string refusal() {
    try {
      pack();
      return "";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  }
};

}  // namespace

TEST_CASE("a packed directory is an image with the same tree") {
  NEEDS_ROOT();
  Packing packing;
  const std::string deep = std::string(200, 'a') + "/" + std::string(200, 'b');
  put(packing.root / deep / "file", "deep");
  put(packing.root / "latin-\xe9\xff", "bytes");
  put(packing.root / "a\nb \\ c", "odd");
  put(packing.root / "setuid", "s", 04755);
  put(packing.root / "etc/conf", "conf", 0600);
  put(packing.root / "large", std::string(3 << 20, 'x') + "end");
  put(packing.root / "empty", "");
  fs::create_hard_link(packing.root / "etc/conf", packing.root / "zz");
  fs::create_symlink("/nowhere/" + std::string(300, 'y'), packing.root / "link");
  REQUIRE(::mkdir((packing.root / "sticky").c_str(), 0700) == 0);
  REQUIRE(::chmod((packing.root / "sticky").c_str(), 01777) == 0);
  {
    std::ofstream sparse(packing.root / "sparse", std::ios::binary);
    sparse.seekp(5 << 20);
    sparse << "end";
  }
  set_time(packing.root / "empty", 1'234'567'890);
  set_time(packing.root / "etc/conf", -86'400);
  set_time(packing.root / "link", 1'000'000'000);
  packing.source.config.env = {"A=b"};
  packing.source.config.working_dir = "/etc";
  packing.source.config.labels = {{"k", "v"}};
  const std::string archive = packing.pack();

  Store store;
  const Outcome outcome = store.import(archive);
  REQUIRE(outcome.message == "");
  const image::Image& made = *outcome.image;
  CHECK(made.digest == packing.written.digest);
  CHECK(made.config.entrypoint == std::vector<std::string>{"/app"});
  CHECK(made.config.env == std::vector<std::string>{"A=b"});
  CHECK(made.config.working_dir == "/etc");
  CHECK(made.config.labels.at("k") == "v");
  CHECK(packing.written.size_bytes == archive.size());
  fixture::Tree there = fixture::tree_of(made.rootfs);
  for (const auto& entry : fixture::tree_of(packing.root)) {
    const std::string& path = entry.first;
    const std::string& what = entry.second;
    CAPTURE(path);
    CHECK(there[path] == what);
  }
  const auto mtime_of = [&](const char* name) {
    struct stat st {};
    CHECK(::lstat((made.rootfs / name).c_str(), &st) == 0);
    return st.st_mtim.tv_sec;
  };
  CHECK(mtime_of("empty") == 1'234'567'890);
  CHECK(mtime_of("etc/conf") == -86'400);
  CHECK(mtime_of("link") == 1'000'000'000);
  CHECK(fs::equivalent(made.rootfs / "etc/conf", made.rootfs / "zz"));
}

TEST_CASE("the same directory gives the same bytes, in whatever order it was filled") {
  const auto fill = [](const fs::path& root, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      put(root / name, name);
      set_time(root / name, 1'000'000'000);
    }
    for (const char* name : {"app", "b", "."}) set_time(root / name, 1'000'000'000);
  };
  Packing one;
  fill(one.root, {"c", "b/2", "b/1", "a"});
  Packing other;
  fill(other.root, {"a", "b/1", "c", "b/2"});
  set_time(other.root, 2'000'000'000);  // its own time does not count
  CHECK(one.pack() == other.pack());
  CHECK(one.pack() == one.pack());
}

TEST_CASE("files belong to root, unless their owners are to be kept") {
  NEEDS_ROOT();
  Packing packing;
  REQUIRE(::chown((packing.root / "app").c_str(), 3'000'000, 70'000) == 0);
  for (const bool keep : {false, true}) {
    packing.source.layer.keep_owners = keep;
    Store store;
    const Outcome outcome = store.import(packing.pack());
    REQUIRE(outcome.message == "");
    struct stat st {};
    REQUIRE(::stat((outcome.image->rootfs / "app").c_str(), &st) == 0);
    CHECK(st.st_uid == (keep ? 3'000'000 : 0));
    CHECK(st.st_gid == (keep ? 70'000 : 0));
  }
}

TEST_CASE("the documents say what docker save says") {
  Packing packing;
  packing.source.tags = {"app:latest", "app:2"};
  packing.source.created = 86'400;
  const std::string archive = packing.pack();
  const std::string hex = packing.written.digest.substr(7);
  // One header each: the layer, the config, the manifest.
  const std::string layer_path = archive.substr(0, archive.find('\0'));
  CHECK(layer_path.ends_with("/layer.tar"));
  const std::size_t config_at = archive.find(hex + ".json") + 512;
  const auto config =
      nlohmann::json::parse(archive.substr(config_at, archive.find('\0', config_at) - config_at));
  CHECK(image::sha256_hex(config.dump()) == hex);
  CHECK(config["os"] == "linux");
  CHECK(config["created"] == "1970-01-02T00:00:00Z");
  CHECK(config["rootfs"]["diff_ids"][0] == "sha256:" + layer_path.substr(0, 64));
  CHECK(config["history"].size() == 1);
  const std::size_t manifest_at = archive.find("manifest.json", config_at) + 512;
  const auto manifest = nlohmann::json::parse(
      archive.substr(manifest_at, archive.find('\0', manifest_at) - manifest_at));
  CHECK(manifest[0]["Config"] == hex + ".json");
  CHECK(manifest[0]["Layers"] == nlohmann::json::array({layer_path}));
  CHECK(manifest[0]["RepoTags"] == nlohmann::json::array({"app:latest", "app:2"}));
}

TEST_CASE("times later than the newest are moved back to it") {
  Packing packing;
  set_time(packing.root / "app", 1'000'000'000);
  packing.source.layer.newest = 1000;
  const std::string early = packing.pack();
  set_time(packing.root / "app", 1'700'000'000);
  CHECK(packing.pack() == early);
  set_time(packing.root / "app", 999);
  CHECK(packing.pack() != early);
}

TEST_CASE("what an image cannot hold is left out and told") {
  Packing packing;
  const std::string before = packing.pack();
  REQUIRE(::mkfifo((packing.root / "fifo").c_str(), 0600) == 0);
  put(packing.root / ".wh.app", "");
  const sys::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (packing.root / "sock").string().copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  packing.left_out.clear();
  CHECK(packing.pack() == before);
  CHECK(packing.left_out == std::vector<std::string>{".wh.app", "fifo", "sock"});
}

TEST_CASE("a link in the directory is written, never followed") {
  Packing packing;
  put(packing.scratch.path() / "outside/secret", "hidden-content");
  fs::create_symlink("../outside", packing.root / "dir");
  fs::create_symlink(packing.scratch.path() / "outside/secret", packing.root / "file");
  CHECK(packing.pack().find("hidden-content") == std::string::npos);
}

TEST_CASE("a tree that changes while it is read is refused") {
  Packing packing;
  put(packing.root / "z", std::string(1 << 20, 'z'));
  // Told in the middle of the walk, between the directory's list and the file.
  put(packing.root / ".wh.first", "");
  const fs::path victim = packing.root / "z";
  SUBCASE("gone") {
    packing.source.layer.left_out = [&](const auto&, const auto&) { fs::remove(victim); };
  }
  SUBCASE("a link now") {
    packing.source.layer.left_out = [&](const auto&, const auto&) {
      fs::remove(packing.root / "app");
      fs::create_symlink("gone", packing.root / "app");
      fs::remove(victim);
    };
  }
  CHECK(packing.refusal() == "changed_meanwhile");
}

TEST_CASE("a file that grows or shrinks while it is read is refused") {
  for (const std::uintmax_t size : {0U, 1U << 20, 4U << 20}) {
    Packing packing;
    put(packing.root / "z", std::string(2 << 20, 'z'));
    const sys::UniqueFd fd = sys::open_file(packing.output, O_RDWR | O_CREAT, 0600);
    // The first bytes come out when a part of the file has been read.
    bool changed = false;
    const auto progress = [&](std::uint64_t bytes) {
      if (bytes < 600'000 || changed) return;
      fs::resize_file(packing.root / "z", size);
      changed = true;
    };
    try {
      image::write_image(packing.source, fd.get(), "x.tar", progress);
      FAIL("was packed");
    } catch (const sys::Refused& refused) {
      CHECK(refused.code() == "changed_meanwhile");
      CHECK(std::string(refused.what()).find("root/z") != std::string::npos);
    }
  }
}

TEST_CASE("what cannot become an image is refused before anything is written") {
  Packing packing;
  SUBCASE("no directory") {
    packing.source.layer.directory = packing.root / "app";
    CHECK(packing.refusal() == "unreadable");
  }
  SUBCASE("a program that is not there") {
    packing.source.config.entrypoint = {"/gone"};
    CHECK(packing.refusal() == "command_not_found");
  }
  SUBCASE("a variable without a value") {
    packing.source.config.env = {"A"};
    CHECK(packing.refusal() == "bad_config");
  }
  SUBCASE("a label that is not UTF-8") {
    packing.source.config.labels = {{"k", "\xff"}};
    CHECK(packing.refusal() == "bad_config");
  }
  SUBCASE("a user whom the image does not know") {
    packing.source.config.user = "nobody";
    CHECK(packing.refusal() == "unknown_user");
  }
  SUBCASE("a working directory that is not there") {
    packing.source.config.working_dir = "/gone";
    CHECK(packing.refusal() == "bad_working_dir");
  }
  CHECK(fs::file_size(packing.output) == 0);
}

TEST_CASE("the output is refused where it is found in the directory") {
  Packing packing;
  packing.output = packing.root / "x.tar";
  put(packing.output, "");
  struct stat st {};
  REQUIRE(::stat(packing.output.c_str(), &st) == 0);
  packing.source.layer.output = image::FileId{st.st_dev, st.st_ino};
  CHECK(packing.refusal() == "output_inside");
}

TEST_CASE("a tree deeper than any import accepts is refused") {
  Packing packing;
  fs::path path = packing.root;
  for (int level = 0; level < 200; ++level) path /= "d";
  fs::create_directories(path);
  CHECK(packing.refusal() == "too_large");
}

TEST_CASE("a full disk is the output's error, not the tree's") {
  Packing packing;
  packing.output = "/dev/full";
  CHECK_THROWS_AS(packing.pack(), std::system_error);
}

// Questions to an image that is on the disk. The files are the image's own, so they may say
// anything.
#include "oci/image/image.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "oci/sys/error.h"
#include "tests/oci/image/store_fixture.h"

namespace {

class Rootfs {
 public:
  Rootfs() { image_.rootfs = directory_.path(); }

  void write(const std::string& name, const std::string& content, mode_t mode = 0644) {
    const auto path = image_.rootfs / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
  }
  void link(const std::string& name, const std::string& target) {
    std::filesystem::create_directories((image_.rootfs / name).parent_path());
    std::filesystem::create_symlink(target, image_.rootfs / name);
  }
  void directory(const std::string& name) {
    std::filesystem::create_directories(image_.rootfs / name);
  }

  void own(const std::string& name, uid_t uid, gid_t gid) {
    CHECK(::chown((image_.rootfs / name).c_str(), uid, gid) == 0);
  }
  void mode(const std::string& name, mode_t mode) {
    CHECK(::chmod((image_.rootfs / name).c_str(), mode) == 0);
  }

  image::ImageConfig& config() { return image_.config; }

  std::string user(const std::string& spec) {
    image_.config.user = spec;
    try {
      const image::ProcessUser user = image::resolve_user(image_.config, image_.rootfs);
      std::string text =
          std::to_string(user.uid) + ":" + std::to_string(user.gid) + " " + user.home;
      for (const gid_t gid : user.additional_gids) text += " " + std::to_string(gid);
      return text;
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  }

  std::string command(const std::vector<std::string>& argv) {
    image_.config.cmd = argv;
    try {
      image::check_command(image_.config, image_.rootfs);
      return "ok";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  }

  std::string working_dir(const std::string& path) {
    image_.config.working_dir = path;
    try {
      return image::resolve_working_dir(image_.config, image_.rootfs);
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  }

 private:
  fixture::TemporaryDirectory directory_;
  image::Image image_;
};

}  // namespace

TEST_CASE("a command is the entrypoint followed by the arguments") {
  image::ImageConfig config;
  config.entrypoint = {"a"};
  config.cmd = {"b", "c"};
  CHECK(config.command() == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("a user is a name or a number, with or without a group") {
  Rootfs image;
  image.write("etc/passwd",
              "root:x:0:0:root:/root:/bin/sh\n"
              "app:x:1000:1001:App:/home/app:/bin/sh\n"
              "1234:x:7:7::/seven:/bin/sh\n");
  image.write("etc/group", "root:x:0:\nstaff:x:50:app,other\nwheel:x:51:other,app\napp:x:1001:\n");
  CHECK(image.user("") == "0:0 /root");
  CHECK(image.user("root") == "0:0 /root");
  CHECK(image.user("app") == "1000:1001 /home/app 50 51");
  CHECK(image.user("1000") == "1000:1001 /home/app 50 51");
  CHECK(image.user("app:staff") == "1000:50 /home/app");
  CHECK(image.user("app:77") == "1000:77 /home/app");
  CHECK(image.user("4321") == "4321:0 /");
  CHECK(image.user("4321:staff") == "4321:50 /");
  CHECK(image.user("1234") == "7:7 /seven");
  CHECK(image.user(":staff") == "0:50 /root");
  CHECK(image.user("2147483647") == "2147483647:0 /");
  for (const char* bad : {"nobody", "app:nogroup", "-1", "2147483648", "4294967296", "+1", "0x0",
                          "1 ", "app:-1", "app:root:x"}) {
    CAPTURE(std::string(bad));
    CHECK(image.user(bad) == "unknown_user");
  }
}

TEST_CASE("a hostile passwd file misleads nobody") {
  constexpr char kPasswd[] =
      "short\n:::::\nwraps:x:4294967296:0::/:\nminus:x:-1:-1::/:\n"
      "odd:x:5:5::relative:\nbell:x:6:6::/a\x07:\n"
      "nul\0:x:8:8::/nul:\nfirst:x:9:9::/one:\nfirst:x:0:0::/two:\nlast:x:3:4";
  Rootfs image;
  image.write("etc/passwd", std::string(kPasswd, sizeof kPasswd - 1));
  CHECK(image.user("wraps") == "unknown_user");
  CHECK(image.user("minus") == "unknown_user");
  CHECK(image.user("odd") == "5:5 /");
  CHECK(image.user("bell") == "6:6 /");
  CHECK(image.user("nul") == "unknown_user");
  CHECK(image.user("first") == "9:9 /one");
  CHECK(image.user("") == "0:0 /two");
}

TEST_CASE("account files are read inside the root, and bounded") {
  Rootfs outside;
  CHECK(outside.user("root") == "unknown_user");
  CHECK(outside.user("0") == "0:0 /");
  outside.link("etc/passwd", "/proc/self/environ");
  CHECK(outside.user("root") == "unknown_user");
  Rootfs up;
  up.link("etc/passwd", "../../../../../../etc/passwd");
  CHECK(up.user("root") == "unknown_user");  // a link to itself
  Rootfs fifo;
  fifo.directory("etc/passwd");
  CHECK(fifo.user("root") == "unknown_user");
  Rootfs large;
  large.write("etc/passwd", std::string(2 << 20, '\n'));
  CHECK(large.user("root") == "file_too_large");
}

TEST_CASE("a command is looked for where the container would look") {
  Rootfs image;
  image.write("bin/tool",
              "\x7f"
              "ELF",
              0755);
  image.write("opt/bin/other",
              "\x7f"
              "ELF",
              0755);
  image.write("app/run",
              "\x7f"
              "ELF",
              0755);
  image.write("app/data", "x");
  image.write("app/script", "#! /bin/tool -x\n", 0755);
  image.write("app/orphan", "#!/usr/bin/python3\n", 0755);
  image.link("usr/bin/linked", "/bin/tool");
  image.link("usr/bin/dangling", "/bin/gone");
  CHECK(image.command({"tool"}) == "ok");
  CHECK(image.command({"/bin/tool"}) == "ok");
  CHECK(image.command({"linked"}) == "ok");
  CHECK(image.command({"dangling"}) == "command_not_found");
  CHECK(image.command({"other"}) == "command_not_found");
  CHECK(image.command({"/gone"}) == "command_not_found");
  CHECK(image.command({"./run"}) == "command_not_found");
  image.config().working_dir = "/app";
  image.config().env = {"PATH=/bin", "PATH=/opt/bin:"};
  CHECK(image.command({"./run"}) == "ok");
  CHECK(image.command({"run"}) == "ok");
  CHECK(image.command({"other"}) == "ok");
  CHECK(image.command({"tool"}) == "command_not_found");
  CHECK(image.command({"/app/data"}) == "command_not_executable");
  CHECK(image.command({"/app"}) == "command_not_executable");
  CHECK(image.command({"/app/script"}) == "ok");
  CHECK(image.command({"/app/orphan"}) == "command_not_found");
  CHECK(image.command({}) == "no_command");
  CHECK(image.command({""}) == "no_command");
}

TEST_CASE("a command that its user may not run is found out") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: giving files away needs root");
    return;
  }
  Rootfs image;
  image.write("run",
              "\x7f"
              "ELF",
              0700);
  CHECK(image.command({"/run"}) == "ok");
  image.config().user = "1000";
  CHECK(image.command({"/run"}) == "command_not_executable");
  image.own("run", 0, 1000);
  image.mode("run", 0710);
  image.config().user = "1000:1000";
  CHECK(image.command({"/run"}) == "ok");
  image.own("run", 1000, 1000);
  image.mode("run", 0077);
  CHECK(image.command({"/run"}) == "command_not_executable");
}

TEST_CASE("a working directory is absolute, a directory, and none of the kernel's") {
  Rootfs image;
  image.directory("srv/app");
  image.directory("proc");
  image.write("file", "x");
  image.link("kernel", "/proc");
  image.link("app", "srv/app");
  image.link("loop", "loop");
  CHECK(image.working_dir("") == "/");
  CHECK(image.working_dir("/") == "/");
  CHECK(image.working_dir("/srv//./app/") == "/srv/app");
  CHECK(image.working_dir("/srv/../../srv") == "/srv");
  CHECK(image.working_dir("/app") == "/app");
  CHECK(image.working_dir("/tmp/work") == "/tmp/work");
  for (const char* bad : {"srv", "../srv", "/gone", "/file", "/proc", "/proc/self/fd/7", "/kernel",
                          "/srv/../proc/1/root", "/dev/shm", "/sys", "/loop"}) {
    CAPTURE(std::string(bad));
    CHECK(image.working_dir(bad) == "bad_working_dir");
  }
}

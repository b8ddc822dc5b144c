#include "oci/runtime/bundle.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "oci/sys/file.h"
#include "tests/support/scratch.h"

namespace fs = std::filesystem;

TEST_CASE("a bundle is root's alone, has config and control socket, and is gone with its object") {
  const support::Scratch scratch;
  fs::path path;
  {
    const runtime::Bundle bundle(scratch.path(), "abc");
    bundle.write_config({{"bytes", "\xff\xfe"}});
    path = bundle.path();
    CHECK((fs::status(path).permissions() & fs::perms::all) == fs::perms::owner_all);
    CHECK(fs::is_socket(path / "control.sock"));
    const auto config = nlohmann::json::parse(sys::read_file(path / "config.json", 1 << 20));
    CHECK(config.contains("bytes"));
  }
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("a bundle whose directory exists already is refused and leaves that one alone") {
  const support::Scratch scratch;
  fs::create_directory(scratch.path() / "abc");
  CHECK_THROWS_AS(runtime::Bundle(scratch.path(), "abc"), std::system_error);
  CHECK(fs::exists(scratch.path() / "abc"));
}

TEST_CASE("the control sockets of all bundles may lie in a directory of theirs") {
  const support::Scratch scratch;
  const fs::path sockets = scratch.path() / "sockets";
  fs::create_directory(sockets);
  {
    const runtime::Bundle bundle(scratch.path(), "abc", sockets);
    CHECK(bundle.control_socket().parent_path() == sockets);
    CHECK(fs::is_socket(bundle.control_socket()));
    CHECK(fs::is_empty(bundle.path()));
  }
  CHECK(fs::is_empty(sockets));
  fs::remove(sockets);
  CHECK_THROWS_AS(runtime::Bundle(scratch.path(), "abc", sockets), std::system_error);
  CHECK(fs::is_empty(scratch.path()));
}

TEST_CASE("a control socket may lie deeper than a socket address is long") {
  const support::Scratch scratch;
  const fs::path deep = scratch.path() / std::string(120, 'd');
  fs::create_directory(deep);
  CHECK(fs::is_socket(runtime::Bundle(deep, "abc").path() / "control.sock"));
}

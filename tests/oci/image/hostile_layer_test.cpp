// Layers that somebody wrote by hand to get out of the root, or into somebody else's. In every case
// the fixture checks that nothing outside has changed and that a refused import leaves nothing.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "oci/image/quota.h"
#include "oci/image/tree.h"
#include "oci/sys/file.h"
#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

using builder::directory;
using builder::docker_save;
using builder::file;
using builder::hard_link;
using builder::Item;
using builder::owned;
using builder::soft_link;
using builder::special;
using fixture::Outcome;
using fixture::Store;
using Layers = std::vector<std::vector<Item>>;

namespace {

// The names and kinds below the root, without what every image gets: "a/ a/b=1 c->d".
std::string shape(const std::filesystem::path& root) {
  std::string text;
  for (const auto& [name, kind] : fixture::tree_of(root)) {
    if (name == "proc" || name == "sys" || name == "dev" || name == "tmp") continue;
    if (name == "control.sock") continue;
    const auto path = root / name;
    text += (text.empty() ? "" : " ") + name;
    if (std::filesystem::is_symlink(path)) {
      text += "->" + std::filesystem::read_symlink(path).string();
    } else if (std::filesystem::is_directory(path)) {
      text += "/";
    } else {
      text += "=" + fixture::read(path);
    }
  }
  return text;
}

struct Case {
  const char* what;
  Layers layers;
  const char* expected;  // the shape, or "!" and the code of the refusal
};

void check_all(const std::vector<Case>& cases) {
  Store store;
  for (const Case& given : cases) {
    CAPTURE(std::string(given.what));
    const Outcome outcome = store.import(docker_save(given.layers));
    CAPTURE(outcome.message);
    CHECK((outcome.image ? shape(outcome.image->rootfs) : "!" + outcome.code) ==
          std::string(given.expected));
  }
}

Item long_name(std::size_t bytes) {
  return file(std::string(bytes, 'n'), "x");
}

Item with_pax(Item item, const std::string& key, const std::string& value) {
  item.pax.emplace_back(key, value);
  return item;
}

}  // namespace

TEST_CASE("I1: a name with '..' is refused, wherever it stands") {
  NEEDS_ROOT();
  check_all({
      {"up", {{file("../x")}}, "!unsafe_path"},
      {"from the root up", {{file("/../x")}}, "!unsafe_path"},
      {"down and up", {{file("a/../../x")}}, "!unsafe_path"},
      {"only up", {{directory("..")}}, "!unsafe_path"},
      {"in a PAX header", {{with_pax(file("x"), "path", "a/../../x")}}, "!unsafe_path"},
      {"a whiteout of the parent", {{file("a/.wh...", "")}}, "!bad_whiteout"},
      {"a whiteout of the directory", {{file("a/.wh..", "")}}, "!bad_whiteout"},
      {"absolute is from the layer's root", {{file("/x")}}, "x=x"},
      {"dots that are names", {{file("...", "1"), file("..a", "2")}}, "...=1 ..a=2"},
  });
}

TEST_CASE("I2: a parent that is a link leads to a place inside the root") {
  NEEDS_ROOT();
  check_all({
      {"to the root", {{soft_link("l", "/"), file("l/x")}}, "l->/ x=x"},
      {"to /etc", {{soft_link("l", "/etc"), file("l/x")}}, "etc/ etc/x=x l->/etc"},
      {"up", {{soft_link("l", "../.."), file("l/x")}}, "l->../.. x=x"},
      {"up, then down",
       {{directory("d"), soft_link("d/l", "../../../e"), file("d/l/x")}},
       "d/ d/l->../../../e e/ e/x=x"},
      {"a chain",
       {{soft_link("a", "b"), soft_link("b", "/c/.."), directory("c"), file("a/x")}},
       "a->b b->/c/.. c/ x=x"},
      {"in a circle", {{soft_link("a", "b"), soft_link("b", "a"), file("a/x")}}, "!unsafe_path"},
      {"in a lower layer, to a place that is there",
       {{directory("etc"), soft_link("l", "/etc")}, {file("l/x")}},
       "etc/ etc/x=x l->/etc"},
      {"in a lower layer, to nowhere", {{soft_link("l", "/../gone")}, {file("l/x")}}, "l/ l/x=x"},
      {"through a file: the directory is later", {{file("a"), file("a/b")}}, "a/ a/b=x"},
  });
}

TEST_CASE("I5: a hard link to an outside name is resolved inside or refused") {
  NEEDS_ROOT();
  for (const char* target :
       {"../outside/etc/passwd", "/../etc/passwd", "a/../../etc/passwd", "..", "./../etc/passwd"}) {
    check_all({{target, {{file("a"), hard_link("x", target)}}, "!unsafe_path"}});
  }
  check_all({
      {"absolute, not in the layer", {{hard_link("x", "/etc/passwd")}}, "!bad_link"},
      {"absolute, in the layer",
       {{file("etc/passwd", "own"), hard_link("x", "/etc/passwd")}},
       "etc/ etc/passwd=own x=own"},
      {"through a link to the root",
       {{soft_link("r", "/"), hard_link("x", "r/etc/passwd")}},
       "!bad_link"},
      {"to a link that points outside: the link itself",
       {{soft_link("l", "/etc/passwd"), hard_link("x", "l")}},
       "l->/etc/passwd x->/etc/passwd"},
      {"in a lower layer only", {{file("a")}, {hard_link("x", "a")}}, "a=x x=x"},
      {"in a lower layer only, over a directory of it",
       {{file("a"), file("d/b")}, {hard_link("d", "a")}},
       "a=x d=x"},
      {"in a lower layer only, through a link out of it",
       {{soft_link("l", "/../etc"), file("etc/passwd", "p")}, {hard_link("x", "l/passwd")}},
       "etc/ etc/passwd=p l->/../etc x=p"},
      {"in a lower layer that hides it",
       {{file("a")}, {file(".wh.a", "")}, {hard_link("x", "a")}},
       "!bad_link"},
      {"to a directory of a lower layer", {{directory("d")}, {hard_link("x", "d")}}, "!bad_link"},
      {"to a link to a lower layer",
       {{file("a")}, {hard_link("x", "a"), hard_link("y", "x"), hard_link("b", "y")}},
       "a=x b=x x=x y=x"},
      {"to a lower layer, and then a file",
       {{file("a")}, {hard_link("x", "a"), file("x", "own")}},
       "a=x x=own"},
      {"to what lies in the directory that it replaces",
       {{file("d/f")}, {hard_link("d", "d/f")}},
       "!bad_link"},
      {"to itself in a lower layer", {{file("a")}, {hard_link("a", "a")}}, "a=x"},
      {"to a directory", {{directory("d"), hard_link("x", "d")}}, "!bad_link"},
      {"to nothing", {{hard_link("x", "")}}, "!bad_link"},
      {"to the root", {{hard_link("x", "/")}}, "!bad_link"},
      {"to itself", {{file("a", "1"), hard_link("a", "a")}}, "a=1"},
      {"to a whiteout", {{file(".wh.a", ""), hard_link("x", ".wh.a")}}, "!bad_link"},
  });
}

TEST_CASE("I8: of several entries of one name the last one wins, inside") {
  NEEDS_ROOT();
  check_all({
      {"directory, link, directory",
       {{directory("d"), file("d/one"), soft_link("d", "/etc"), directory("d"), file("d/two")}},
       "d/ d/two=x"},
      {"directory, link: what follows goes where the link leads",
       {{directory("d"), file("d/one"), soft_link("d", "/e"), file("d/two")}},
       "d->/e e/ e/two=x"},
      {"file, file", {{file("f", "1"), file("f", "2")}}, "f=2"},
      {"link, file", {{soft_link("f", "/etc/passwd"), file("f", "2")}}, "f=2"},
      {"file, directory", {{file("f"), directory("f"), file("f/x")}}, "f/ f/x=x"},
      {"directory, file", {{directory("d"), file("d/x"), file("d", "1")}}, "d=1"},
      {"a hard link's second name is written to",
       {{file("a", "1"), hard_link("b", "a"), file("b", "2")}},
       "a=1 b=2"},
      {"the parent's own entry comes last", {{file("d/x"), directory("d")}}, "d/ d/x=x"},
      {"a directory replaces its own parent's link",
       {{soft_link("l", "."), file("l/l/x"), directory("l"), file("l/y")}},
       "l/ l/y=x x=x"},
  });
}

TEST_CASE("I9, I11, I12: whiteouts act on lower layers only, and inside the root only") {
  NEEDS_ROOT();
  check_all({
      {"whiteout, then file", {{file("a", "1")}, {file(".wh.a", ""), file("a", "2")}}, "a=2"},
      {"file, then whiteout", {{file("a", "1")}, {file("a", "2"), file(".wh.a", "")}}, "a=2"},
      {"opaque after its content",
       {{file("d/old")}, {file("d/new"), file("d/.wh..wh..opq", "")}},
       "d/ d/new=x"},
      {"opaque root", {{file("a"), file("b/c")}, {file(".wh..wh..opq", ""), file("d")}}, "d=x"},
      {"of a tree", {{file("d/e/f")}, {file(".wh.d", "")}}, ""},
      {"of nothing", {{file("a")}, {file(".wh.b", "")}}, "a=x"},
      {"in the lowest layer", {{file(".wh.a", ""), file("b")}}, "b=x"},
      {"comes back", {{file("a", "1")}, {file(".wh.a", "")}, {file("a", "3")}}, "a=3"},
      {"of a link, not of its target",
       {{file("t"), soft_link("l", "t")}, {file(".wh.l", "")}},
       "t=x"},
      {"through a link to /etc",
       {{file("etc/passwd"), soft_link("l", "/etc")}, {file("l/.wh.passwd", "")}},
       "etc/ l->/etc"},
      {"through a link that leads up",
       {{file("etc/passwd"), soft_link("l", "../../../etc")}, {file("l/.wh.passwd", "")}},
       "etc/ l->../../../etc"},
      {"opaque through a link to the root",
       {{file("a"), soft_link("l", "/")}, {file("l/.wh..wh..opq", ""), file("l/b")}},
       "!bad_layer"},
      {"without a name", {{file(".wh.", "")}}, "!bad_whiteout"},
      {"below a whiteout", {{file(".wh.a/b")}}, "!bad_whiteout"},
      {"AUFS's own files are nothing", {{file(".wh..wh.plnk/1.2"), file(".wh..wh.aufs", "")}}, ""},
      {"as a directory", {{file("a")}, {directory(".wh.a")}}, ""},
      {"as a link", {{file("a")}, {soft_link(".wh.a", "/etc/passwd")}}, ""},
  });
}

TEST_CASE("I14: device nodes, fifos and sockets are not made, and the image says so") {
  NEEDS_ROOT();
  Store store;
  const Outcome outcome = store.import(docker_save({
      {file("below")},
      {special("c", '3'), special("b", '4'), special("p", '6'), hard_link("c2", "c"),
       special("below", '3'), file("f")},
  }));
  REQUIRE(outcome.message == "");
  CHECK(shape(outcome.image->rootfs) == "f=x");
  REQUIRE(outcome.image->notes.size() == 1);
  CHECK(outcome.image->notes[0] == "5 device nodes, fifos or sockets were not created");
}

TEST_CASE(
    "I15: setuid bits and capabilities stay with their files, other security attributes do not") {
  NEEDS_ROOT();
  const std::string capability("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  Store store;
  const Outcome outcome = store.import(docker_save(Layers{{
      with_pax(file("su", "x", 06755), "SCHILY.xattr.security.capability", capability),
      with_pax(file("short", "x"), "SCHILY.xattr.security.capability", "\x01"),
      with_pax(file("label", "x"), "SCHILY.xattr.security.selinux", "x"),
      with_pax(file("trust", "x"), "SCHILY.xattr.trusted.overlay.opaque", "y"),
  }}));
  REQUIRE(outcome.message == "");
  struct stat st {};
  REQUIRE(::lstat((outcome.image->rootfs / "su").c_str(), &st) == 0);
  CHECK(st.st_mode == (S_IFREG | 06755));
  std::string value(64, '\0');
  const ssize_t size = ::getxattr((outcome.image->rootfs / "su").c_str(), "security.capability",
                                  value.data(), value.size());
  REQUIRE(size > 0);
  CHECK(value.substr(0, static_cast<std::size_t>(size)) == capability);
  for (const char* name : {"short", "label", "trust"}) {
    CHECK(::listxattr((outcome.image->rootfs / name).c_str(), nullptr, 0) == 0);
  }
  REQUIRE(outcome.image->notes.size() == 1);
  CHECK(outcome.image->notes[0].starts_with("3 extended attributes"));
}

TEST_CASE("I17: PAX headers that are damaged or absurd are refused, long and sparse ones kept") {
  NEEDS_ROOT();
  const auto raw = [](const std::string& records) {
    Item item = file("x");
    item.pax_raw = records;
    return item;
  };
  check_all({
      {"no length", {{raw("path=y\n")}}, "!bad_archive"},
      {"length too long", {{raw("99 path=y\n")}}, "!bad_archive"},
      {"length 0", {{raw("0 path=y\n")}}, "!bad_archive"},
      {"no newline", {{raw("8 path=y")}}, "!bad_archive"},
      {"no key", {{raw("5 =y\n")}}, "!bad_archive"},
      {"negative size", {{with_pax(file("x"), "size", "-1")}}, "!bad_archive"},
      {"size beyond everything",
       {{with_pax(file("x"), "size", "99999999999999999999")}},
       "!bad_archive"},
      {"a size that runs past the layer", {{with_pax(file("x"), "size", "5000")}}, "!bad_layer"},
      {"size says what the header cannot",
       {{with_pax(file("x", "12345"), "size", "5")}},
       "x=12345"},
      {"a sparse map that overlaps itself",
       {{with_pax(
           with_pax(with_pax(file("x", "ab"), "GNU.sparse.size", "4"), "GNU.sparse.numblocks", "1"),
           "GNU.sparse.map", "0,1,9999,1")}},
       "!bad_layer"},
  });
  Store store;
  Item sparse = file("s", "ab");
  sparse.pax = {{"GNU.sparse.name", "sparse"},
                {"GNU.sparse.size", "10"},
                {"GNU.sparse.numblocks", "2"},
                {"GNU.sparse.map", "2,1,6,1"}};
  const Outcome outcome = store.import(docker_save(Layers{{sparse}}));
  REQUIRE(outcome.message == "");
  CHECK(fixture::read(outcome.image->rootfs / "sparse") == std::string("\0\0a\0\0\0b\0\0\0", 10));
}

TEST_CASE("I18: odd names are kept byte by byte or refused") {
  NEEDS_ROOT();
  const std::string odd("new\nline \xff\xfe \x01");
  const std::string odd_shape = odd + "=x";
  check_all({
      {"5,000 bytes", {{long_name(5000)}}, "!bad_name"},
      {"a component of 256 bytes", {{long_name(256)}}, "!bad_name"},
      {"a NUL in a PAX name", {{with_pax(file("x"), "path", std::string("a\0b", 3))}}, "!bad_name"},
      {"bytes that are no text", {{file(odd)}}, odd_shape.c_str()},
      {"the same in a PAX header", {{with_pax(file("x"), "path", odd)}}, odd_shape.c_str()},
      {"UTF-8", {{with_pax(file("x"), "path", "naïve-日本")}}, "naïve-日本=x"},
      {"a file for a root", {{file(".")}}, "!bad_name"},
      {"an attribute without a name", {{with_pax(file("x"), "SCHILY.xattr.user.", "v")}}, "x=x"},
      {"an attribute with a long name",
       {{with_pax(file("x"), "SCHILY.xattr.user." + std::string(300, 'n'), "v")}},
       "x=x"},
      {"a link's target of 5,000 bytes", {{soft_link("l", std::string(5000, 't'))}}, "!bad_link"},
      {"a link without a target", {{soft_link("l", "")}}, "!bad_link"},
  });
}

TEST_CASE("I19: an owner that no system can store is refused and never wraps to root") {
  NEEDS_ROOT();
  const std::int64_t wraps = std::int64_t{1} << 32;
  check_all({
      {"negative", {{owned(file("x"), -1, 0)}}, "!bad_owner"},
      {"negative group", {{owned(file("x"), 0, -2)}}, "!bad_owner"},
      {"2^32", {{owned(file("x"), wraps, 0)}}, "!bad_owner"},
      {"2^32-1, which is no owner", {{owned(file("x"), wraps - 1, 0)}}, "!bad_owner"},
      {"2^62", {{owned(file("x"), std::int64_t{1} << 62, 0)}}, "!bad_owner"},
      {"PAX, negative", {{with_pax(file("x"), "uid", "-1")}}, "!bad_owner"},
      {"PAX, 2^32", {{with_pax(file("x"), "gid", "4294967296")}}, "!bad_owner"},
      {"PAX, no number", {{with_pax(file("x"), "uid", "0x0")}}, "!bad_owner"},
  });
  Store store;
  for (const std::int64_t uid : {std::int64_t{2097152}, std::int64_t{2147483648}, wraps - 2}) {
    const Outcome outcome = store.import(docker_save(Layers{{owned(file("x"), uid, uid)}}));
    REQUIRE(outcome.message == "");
    struct stat st {};
    REQUIRE(::lstat((outcome.image->rootfs / "x").c_str(), &st) == 0);
    CHECK(st.st_uid == uid);
    CHECK(st.st_gid == uid);
  }
}

TEST_CASE("I27: what the container mounts over is a real, empty directory or file") {
  NEEDS_ROOT();
  Store store;
  const auto canary = store.canary().string();
  std::vector<Item> links;
  std::vector<Item> files;
  std::vector<Item> full;
  for (const std::string name : {"proc", "sys", "dev", "tmp", "control.sock"}) {
    links.push_back(soft_link(name, canary + "/etc"));
    files.push_back(file(name, "hidden"));
    full.push_back(file(name + "/hidden", "hidden"));
  }
  for (const std::vector<Item>& layer : {links, files, full}) {
    const Outcome outcome = store.import(docker_save(Layers{layer}));
    REQUIRE(outcome.message == "");
    const auto root = outcome.image->rootfs;
    for (const char* name : {"proc", "sys", "dev", "tmp"}) {
      CHECK(!std::filesystem::is_symlink(root / name));
      CHECK(std::filesystem::is_directory(root / name));
      CHECK(std::filesystem::is_empty(root / name));
    }
    CHECK(!std::filesystem::is_symlink(root / "control.sock"));
    CHECK(std::filesystem::is_regular_file(root / "control.sock"));
    CHECK(std::filesystem::file_size(root / "control.sock") == 0);
    CHECK(outcome.image->size_bytes == 0);
  }
}

TEST_CASE("I28: a WorkingDir is made inside the root, or not at all") {
  NEEDS_ROOT();
  const auto import = [](const std::string& working_dir, const std::vector<Item>& layer) {
    Store store;
    builder::SavedImage saved;
    saved.layers = {builder::tar(layer)};
    saved.config = {{"WorkingDir", working_dir}};
    const Outcome outcome = store.import(docker_save(saved));
    return outcome.image ? shape(outcome.image->rootfs) : "!" + outcome.code;
  };
  CHECK(import("/a/b", {}) == "a/ a/b/");
  CHECK(import("/a/../../b", {}) == "b/");
  CHECK(import("/proc/self/fd/7", {}) == "");
  CHECK(import("/dev/shm/x", {}) == "");
  CHECK(import("relative", {}) == "");
  CHECK(import("/l/x", {soft_link("l", "/../../d"), directory("d")}) == "d/ d/x/ l->/../../d");
  CHECK(import("/l/x", {soft_link("l", "/gone")}) == "!bad_working_dir");
  CHECK(import("/f/x", {file("f")}) == "!bad_working_dir");
  CHECK(import("/" + std::string(300, 'n'), {}) == "!bad_working_dir");
}

TEST_CASE("layers that are chained by links make no tree deeper than a layer may be") {
  NEEDS_ROOT();
  Store store;
  const auto deep = [](const std::string& top, int levels) {
    std::string path = top;
    for (int i = 1; i < levels; ++i) path += "/d";
    return path;
  };
  const std::string first = deep("a", 100);
  const Layers chained = {{file(first + "/f"), soft_link("link", first)},
                          {file(deep("link", 100) + "/f")}};
  const Outcome outcome = store.import(docker_save(chained));
  CHECK(outcome.code == "too_large");
  CHECK(outcome.message.find("128 directories") != std::string::npos);
  CHECK(store.import(docker_save(Layers{chained[0], {file("link/d/f")}})).image);
}

TEST_CASE("the names of one directory are bounded") {
  NEEDS_ROOT();
  fixture::TemporaryDirectory directory;
  const sys::UniqueFd fd = sys::open_directory(directory.path());
  const std::string long_name(250, 'n');
  const std::size_t enough = image::kDirectoryNamesBytes / 255;
  for (std::size_t i = 0; i < enough; ++i) {
    image::make_symlink_at("x", fd.get(), long_name + std::to_string(10'000 + i));
  }
  CHECK(image::list_names(fd.get()).size() == enough);
  image::make_symlink_at("x", fd.get(), long_name + "more");
  CHECK_THROWS_AS(image::list_names(fd.get()), sys::Refused);
}

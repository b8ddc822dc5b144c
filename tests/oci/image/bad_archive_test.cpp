// Uploads that are no image, or no longer one. The fixture checks after each that nothing stays.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "oci/image/digest.h"
#include "oci/sys/error.h"
#include "tests/oci/image/archive_builder.h"
#include "tests/oci/image/store_fixture.h"

using builder::directory;
using builder::docker_save;
using builder::file;
using builder::Item;
using fixture::Outcome;
using fixture::Store;
using nlohmann::json;

namespace {

builder::SavedImage two_layers() {
  builder::SavedImage saved;
  saved.layers = {builder::tar({file("a", std::string(3000, 'a'))}),
                  builder::tar({file("b", std::string(3000, 'b'))})};
  return saved;
}

std::string with_manifest(const std::function<void(json&)>& change) {
  builder::SavedImage saved = two_layers();
  saved.change_manifest = change;
  return docker_save(saved);
}

std::string with_config(const std::function<void(json&)>& change) {
  builder::SavedImage saved = two_layers();
  saved.change_config = change;
  return docker_save(saved);
}

struct Case {
  const char* what;
  std::string archive;
  const char* code;
};

void check_all(const std::vector<Case>& cases) {
  Store store;
  for (const Case& given : cases) {
    CAPTURE(std::string(given.what));
    const Outcome outcome = store.import(given.archive);
    CAPTURE(outcome.message);
    CHECK(outcome.code == given.code);
    CHECK(outcome.reason == sys::Refusal::invalid);
  }
}

}  // namespace

TEST_CASE("a body that is no archive is refused as such") {
  NEEDS_ROOT();
  check_all({
      {"nothing", "", "not_an_archive"},
      {"a word", "hello", "not_an_archive"},
      {"text", std::string(100'000, 'x'), "not_an_archive"},
      {"zip", "PK\x03\x04" + std::string(5000, '\1'), "not_an_archive"},
      {"gzip of text", builder::gzip(std::string(5000, 'x')), "not_an_archive"},
      {"JSON", R"({"error": "no such image"})", "not_an_archive"},
  });
}

TEST_CASE("an archive that is no image is refused, with a hint where it comes from") {
  NEEDS_ROOT();
  check_all({
      {"nothing in it", builder::tar({}), "not_an_image"},
      {"some files", builder::tar({file("a.txt"), directory("b")}), "not_an_image"},
  });
  Store store;
  const Outcome missing = store.import(builder::tar({file("a.txt")}));
  CHECK(missing.message.find("is this the output of `docker save`?") != std::string::npos);
  const Outcome exported = store.import(builder::tar(
      {directory("bin/"), directory("etc/"), file("etc/x.json", "{}"), directory("usr/")}));
  CHECK(exported.code == "not_an_image");
  CHECK(exported.message.find("docker export") != std::string::npos);
}

TEST_CASE("I23: an upload that was cut off is refused, wherever the cut is") {
  NEEDS_ROOT();
  const std::string archive = docker_save(two_layers());
  const std::string packed = builder::gzip(archive);
  Store store;
  for (std::size_t at = 700; at + 1024 < archive.size(); at += 997) {
    CAPTURE(at);
    const Outcome outcome = store.import(archive.substr(0, at));
    CAPTURE(outcome.message);
    // Behind manifest.json everything that is needed is there.
    if (outcome.image) {
      CHECK(at >= archive.find("manifest.json") + 512);
      store.store()->release(outcome.image->digest);
      continue;
    }
    CHECK(outcome.code == "truncated_archive");
  }
  for (std::size_t at = 100; at < packed.size(); at += 131) {
    CAPTURE(at);
    const Outcome outcome = store.import(packed.substr(0, at));
    CAPTURE(outcome.message);
    CHECK(!outcome.code.empty());
  }
}

TEST_CASE("I23: what stands behind the end is refused, padding is not") {
  NEEDS_ROOT();
  const std::string archive = docker_save(two_layers());
  check_all({
      {"text", archive + "text", "trailing_garbage"},
      {"another archive", archive + archive, "trailing_garbage"},
      {"much", archive + std::string(3'000'000, 'x'), "trailing_garbage"},
      {"behind gzip", builder::gzip(archive) + "text", "trailing_garbage"},
  });
  Store store;
  CHECK(store.import(archive + std::string(10'240, '\0')).message == "");
}

TEST_CASE("I24: a changed byte of a layer or of the config is found") {
  NEEDS_ROOT();
  builder::SavedImage saved = two_layers();
  saved.config = {{"Cmd", {"/a"}}};
  const std::string archive = docker_save(saved);
  const auto changed = [&](const std::string& near, char to) {
    std::string copy = archive;
    copy[copy.find(near) + near.size() - 1] = to;
    return copy;
  };
  check_all({
      {"in the first layer", changed("aaaaaaaa", '!'), "digest_mismatch"},
      {"in the second layer", changed("bbbbbbbb", '!'), "digest_mismatch"},
      {"in the config", changed("\"Cmd\":[\"/a", 'b'), "digest_mismatch"},
  });
  Store store;
  const Outcome outcome = store.import(changed("bbbbbbbb", '!'));
  CHECK(outcome.message.find(image::sha256_hex("layer 1") + "/layer.tar") != std::string::npos);
}

TEST_CASE("I24: a changed byte anywhere in an archive does no harm") {
  NEEDS_ROOT();
  const std::string archive = docker_save({{file("a", "content")}});
  Store store;
  for (std::size_t at = 0; at < archive.size(); at += 151) {
    std::string copy = archive;
    copy[at] = static_cast<char>(copy[at] ^ 0x15);
    CAPTURE(at);
    const Outcome outcome = store.import(copy);
    if (outcome.image) {
      CHECK(fixture::read(outcome.image->rootfs / "a") == "content");
      store.store()->release(outcome.image->digest);
    } else {
      CHECK(outcome.reason != sys::Refusal::failed);
    }
  }
}

TEST_CASE("I25: a manifest that does not fit what is in the archive is refused with the reason") {
  NEEDS_ROOT();
  check_all({
      {"null", with_manifest([](json& m) { m = nullptr; }), "bad_manifest"},
      {"an object", with_manifest([](json& m) { m = m[0]; }), "bad_manifest"},
      {"no image", with_manifest([](json& m) { m = json::array(); }), "bad_manifest"},
      {"a list of null", with_manifest([](json& m) { m[0] = nullptr; }), "bad_manifest"},
      {"no config", with_manifest([](json& m) { m[0].erase("Config"); }), "bad_manifest"},
      {"a null config", with_manifest([](json& m) { m[0]["Config"] = nullptr; }), "bad_manifest"},
      {"a config that is not there", with_manifest([](json& m) { m[0]["Config"] = "x.json"; }),
       "missing_config"},
      {"a layer that is not there",
       with_manifest([](json& m) { m[0]["Layers"][1] = "x/layer.tar"; }), "missing_layer"},
      {"a layer outside", with_manifest([](json& m) { m[0]["Layers"][1] = "../../etc/passwd"; }),
       "missing_layer"},
      {"a layer too few", with_manifest([](json& m) { m[0]["Layers"].erase(1); }),
       "layer_count_mismatch"},
      {"no layers", with_manifest([](json& m) { m[0]["Layers"] = nullptr; }),
       "layer_count_mismatch"},
      {"a layer that is a number", with_manifest([](json& m) { m[0]["Layers"][0] = 1; }),
       "bad_manifest"},
      {"layers in another order",
       with_manifest([](json& m) { std::swap(m[0]["Layers"][0], m[0]["Layers"][1]); }),
       "digest_mismatch"},
      {"no JSON", builder::tar({file("manifest.json", "[{]")}), "bad_manifest"},
      {"deep JSON", builder::tar({file("manifest.json", std::string(200'000, '['))}),
       "bad_manifest"},
  });
}

TEST_CASE("one image with two entries in the manifest is one image") {
  NEEDS_ROOT();
  Store store;
  const Outcome outcome = store.import(with_manifest([](json& m) {
    m.push_back(m[0]);
    m[1]["RepoTags"] = {"second:1"};
  }));
  CHECK(outcome.message == "");
}

TEST_CASE("a config that is no image's, or another machine's, is refused") {
  NEEDS_ROOT();
  check_all({
      {"not a list of layers", with_config([](json& c) { c["rootfs"]["type"] = "squashfs"; }),
       "bad_config"},
      {"no rootfs", with_config([](json& c) { c.erase("rootfs"); }), "bad_config"},
      {"a diff_id too many",
       with_config([](json& c) { c["rootfs"]["diff_ids"].push_back(c["rootfs"]["diff_ids"][0]); }),
       "layer_count_mismatch"},
      {"a diff_id that is none",
       with_config([](json& c) { c["rootfs"]["diff_ids"][0] = "sha256:../../x"; }), "bad_config"},
      {"a command that is a text", with_config([](json& c) { c["config"]["Cmd"] = "/a"; }),
       "bad_config"},
      {"a NUL in an argument",
       with_config([](json& c) { c["config"]["Cmd"] = {std::string("a\0b", 3)}; }), "bad_config"},
      {"a variable without a value", with_config([](json& c) { c["config"]["Env"] = {"A"}; }),
       "bad_config"},
      {"a label that is a number", with_config([](json& c) { c["config"]["Labels"]["a"] = 1; }),
       "bad_config"},
      {"windows", with_config([](json& c) { c["os"] = "windows"; }), "wrong_platform"},
      {"another architecture", with_config([](json& c) { c["architecture"] = "pdp11"; }),
       "wrong_platform"},
      {"no architecture", with_config([](json& c) { c.erase("architecture"); }), "wrong_platform"},
  });
  check_all({
      {"nested beyond every stack", with_config([](json& c) {
         c["x"] = json::parse(std::string(500, '[') + std::string(500, ']'));
       }),
       "bad_config"},
      {"more variables than a process may have",
       with_config([](json& c) { c["config"]["Env"] = std::vector<std::string>(2000, "A=1"); }),
       "bad_config"},
      {"a PATH of thousands of directories",
       with_config([](json& c) { c["config"]["Env"] = {"PATH=" + std::string(5000, ':')}; }),
       "bad_config"},
      {"a working directory longer than a path",
       with_config([](json& c) { c["config"]["WorkingDir"] = "/" + std::string(5000, 'x'); }),
       "bad_config"},
      {"an argument longer than exec takes",
       with_config([](json& c) { c["config"]["Cmd"] = {std::string(200'000, 'x')}; }),
       "bad_config"},
  });
  Store store;
  CHECK(store.import(with_config([](json& c) { c["config"] = nullptr; })).message == "");
  CHECK(store.import(with_config([](json& c) { c["config"]["Labels"]["a\nb"] = "\x1b[2J"; }))
            .message == "");
}

TEST_CASE("a manifest that names one layer thousands of times is refused before any work") {
  NEEDS_ROOT();
  builder::SavedImage saved = two_layers();
  const auto repeat = [](json& list) {
    const json first = list[0];
    for (int i = 0; i < 3000; ++i) list.push_back(first);
  };
  saved.change_config = [&](json& c) { repeat(c["rootfs"]["diff_ids"]); };
  saved.change_manifest = [&](json& m) { repeat(m[0]["Layers"]); };
  Store store;
  const Outcome outcome = store.import(docker_save(saved));
  CHECK(outcome.reason == sys::Refusal::too_large);
  CHECK(outcome.message.find("128 layers") != std::string::npos);
}

TEST_CASE("a layer that is damaged, no tar, or packed in an unknown way is named") {
  NEEDS_ROOT();
  builder::SavedImage no_tar = two_layers();
  no_tar.layers[1] = "not a tar archive at all";
  builder::SavedImage zstd = two_layers();
  zstd.layers[1] = "\x28\xb5\x2f\xfd" + std::string(600, 'z');
  zstd.blobs = true;
  builder::SavedImage cut = two_layers();
  cut.layers[1].resize(2000);
  builder::SavedImage cut_gzip = two_layers();
  cut_gzip.layers[1] = builder::gzip(cut_gzip.layers[1]);
  cut_gzip.layers[1].resize(cut_gzip.layers[1].size() - 10);
  check_all({
      {"no tar", docker_save(no_tar), "bad_layer"},
      {"zstd", docker_save(zstd), "bad_layer"},
      {"cut", docker_save(cut), "bad_layer"},
      {"cut gzip", docker_save(cut_gzip), "bad_layer"},
  });
}

TEST_CASE("I22: bombs are stopped at a bound, and the disk is as it was") {
  NEEDS_ROOT();
  image::Quota quota;
  quota.unpacked_bytes = 2'000'000;
  quota.file_bytes = 1'000'000;
  quota.stream_bytes = 4'000'000;
  quota.entries = 500;
  quota.path_depth = 20;
  quota.layers = 3;
  quota.archive_members = 50;
  quota.document_bytes = 10'000;
  quota.documents_bytes = 20'000;
  quota.compression_ratio = 20;
  quota.ratio_free_bytes = 100'000;
  const std::string zeros(900'000, '\0');
  std::vector<Item> many;
  std::string deep;
  std::vector<Item> members;
  many.reserve(600);
  members.reserve(60);
  for (int i = 0; i < 600; ++i) many.push_back(file("f" + std::to_string(i)));
  for (int i = 0; i < 30; ++i) deep += "d/";
  for (int i = 0; i < 60; ++i) members.push_back(file("f" + std::to_string(i)));
  builder::SavedImage bomb;
  bomb.layers = {builder::gzip(builder::tar({file("z", zeros)}))};
  Item sparse = file("s", "ab");
  sparse.pax = {{"GNU.sparse.size", "10737418240"},
                {"GNU.sparse.numblocks", "1"},
                {"GNU.sparse.map", "10737418238,2"}};
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"gzip bomb in a layer", docker_save(bomb)},
      {"gzip bomb around everything", builder::gzip(docker_save({{file("z", zeros)}}))},
      {"a file", docker_save({{file("f", std::string(1'100'000, 'x'))}})},
      {"a sparse file of 10 GB", docker_save(std::vector<std::vector<Item>>{{sparse}})},
      {"all files", docker_save({{file("1", zeros)}, {file("2", zeros), file("3", zeros)}})},
      {"a tail of zeros", docker_save({{file("a")}}) + std::string(5'000'000, '\0')},
      {"many files", docker_save(std::vector<std::vector<Item>>{many})},
      {"many directories that are only implied",
       docker_save({{file("a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"), file(deep.substr(0, 38) + "x")},
                    std::vector<Item>(many.begin(), many.begin() + 499)})},
      {"a deep tree", docker_save({{file(deep + "x")}})},
      {"a link that makes the tree deep",
       docker_save({{file(deep.substr(0, 30) + "x"), builder::soft_link("l", deep.substr(0, 30)),
                     file("l/" + deep.substr(0, 30) + "y")}})},
      {"layers", docker_save({{file("1")}, {file("2")}, {file("3")}, {file("4")}})},
      {"members", builder::tar(members)},
      {"a document", builder::tar({file("manifest.json", "{" + std::string(15'000, ' '))})},
      {"documents", builder::tar({file("a.json", "{" + std::string(9'000, ' ')),
                                  file("b.json", "{" + std::string(9'000, ' ')),
                                  file("c.json", "{" + std::string(9'000, ' '))})},
  };
  Store store(quota);
  for (const auto& given : cases) {
    CAPTURE(std::string(given.first));
    const Outcome outcome = store.import(given.second);
    CAPTURE(outcome.message);
    CHECK(outcome.code == "too_large");
    CHECK(outcome.reason == sys::Refusal::too_large);
  }
}

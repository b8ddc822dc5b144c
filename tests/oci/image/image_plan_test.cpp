#include "oci/image/image_plan.h"

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "archive_builder.h"
#include "oci/image/digest.h"
#include "oci/sys/error.h"

namespace {

using image::Selection;
using image::UnpackReport;
using nlohmann::json;

std::string hex_of(const std::string& bytes) {
  return image::sha256_hex(bytes);
}

// What the unpacking process would report of an archive with these parts.
class Archive {
 public:
  Archive() { report.has_end_mark = true; }

  json add_blob(const std::string& bytes) {
    report.documents["blobs/sha256/" + hex_of(bytes)] = bytes;
    return {{"digest", "sha256:" + hex_of(bytes)}, {"size", bytes.size()}};
  }

  json add_layer(const std::string& text) {
    const std::string hex = hex_of(text);
    report.layers.push_back(
        {"blobs/sha256/" + hex, std::to_string(report.layers.size()), hex, hex, text.size()});
    return {{"digest", "sha256:" + hex}, {"size", text.size()}};
  }

  // An image of one layer; what names it in an index.
  json add_image(const std::string& text, const std::string& architecture) {
    const json layer = add_layer(text);
    const json config = {
        {"architecture", architecture},
        {"os", "linux"},
        {"rootfs", {{"type", "layers"}, {"diff_ids", json::array({layer["digest"]})}}}};
    const json manifest = {{"schemaVersion", 2},
                           {"config", add_blob(config.dump())},
                           {"layers", json::array({layer})}};
    json entry = add_blob(manifest.dump());
    entry["mediaType"] = "application/vnd.oci.image.manifest.v1+json";
    config_digests[text] = "sha256:" + hex_of(config.dump());
    return entry;
  }

  json add_index(const std::vector<json>& manifests) {
    json entry = add_blob(json{{"schemaVersion", 2}, {"manifests", manifests}}.dump());
    entry["mediaType"] = "application/vnd.oci.image.index.v1+json";
    return entry;
  }

  void set_index(const std::vector<json>& manifests) {
    report.documents["index.json"] = json{{"schemaVersion", 2}, {"manifests", manifests}}.dump();
  }

  // The layer's text of the image that is chosen, or the code of the refusal.
  std::string choose(const Selection& selection = {}) const {
    try {
      const image::ImagePlan plan = image::plan_image(report, selection);
      for (const auto& [text, digest] : config_digests) {
        if (digest == plan.digest) return text;
      }
      return "?";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  }

  UnpackReport report;
  std::map<std::string, std::string> config_digests;  // by the layer's text
};

json named(json entry, const std::string& name) {
  entry["annotations"]["org.opencontainers.image.ref.name"] = name;
  return entry;
}

json for_platform(json entry, const std::string& architecture, const std::string& variant = "") {
  entry["platform"] = {{"os", "linux"}, {"architecture", architecture}};
  if (!variant.empty()) entry["platform"]["variant"] = variant;
  return entry;
}

const std::string& host() {
  static const std::string architecture = builder::host_architecture();
  return architecture;
}

constexpr const char* kOther = "mips64le";

}  // namespace

TEST_CASE("the one image of an OCI layout is taken, whatever it is called") {
  Archive archive;
  archive.set_index({named(archive.add_image("a", host()), "app:1")});
  CHECK(archive.choose() == "a");
  CHECK(archive.choose({"app:1", "", ""}) == "a");
  CHECK(archive.choose({"other", "", ""}) == "unknown_tag");
}

TEST_CASE("of several images a tag chooses, and without one they are listed") {
  Archive archive;
  archive.set_index({named(archive.add_image("a", host()), "docker.io/library/app:1"),
                     named(archive.add_image("b", host()), "docker.io/library/app:2")});
  CHECK(archive.choose() == "ambiguous_image");
  CHECK(archive.choose({"app:2", "", ""}) == "b");
  CHECK(archive.choose({"1", "", ""}) == "a");
  CHECK_THROWS_WITH(image::plan_image(archive.report, {}),
                    "the archive holds 2 images (docker.io/library/app:1, "
                    "docker.io/library/app:2): choose one with --tag or --digest");
}

TEST_CASE("an ambiguous archive is listed by image, not by alias") {
  Archive archive;
  const json a = archive.add_image("a", host());
  archive.set_index({named(a, "1"), named(a, "docker.io/library/app:1"), named(a, "app:1"),
                     archive.add_image("b", host())});
  try {
    image::plan_image(archive.report, {});
    FAIL("it chose one");
  } catch (const sys::Refused& refused) {
    const std::string message = refused.what();
    CHECK(message.find("holds 2 images (app:1, sha256:") != std::string::npos);
  }
}

TEST_CASE("a digest names an image of another platform, too") {
  Archive archive;
  const json other = archive.add_image("a", kOther);
  archive.set_index(
      {for_platform(archive.add_image("b", host()), host()), for_platform(other, kOther)});
  const std::string digest = other["digest"];
  CHECK(archive.choose({"", "", digest}) == "wrong_platform");
  CHECK(archive.choose({"", std::string("linux/") + kOther, digest}) == "a");
}

TEST_CASE("64-bit ARM is one platform, with its version and without") {
  const auto matches = [](const char* wanted, const char* actual) {
    return image::matches_platform(image::parse_platform(wanted), image::parse_platform(actual));
  };
  CHECK(matches("linux/arm64/v8", "linux/arm64"));
  CHECK(matches("linux/arm64", "linux/arm64/v8"));
  CHECK_FALSE(matches("linux/arm/v7", "linux/arm/v6"));
  CHECK_FALSE(matches("linux/amd64/v3", "linux/amd64"));
}

TEST_CASE("two names of one image are one image") {
  Archive archive;
  const json entry = archive.add_image("a", host());
  archive.set_index({named(entry, "app:1"), named(entry, "app:latest")});
  CHECK(archive.choose() == "a");
  CHECK(archive.choose({"latest", "", ""}) == "a");
}

TEST_CASE("an index of an index leads to this machine's image; the others' blobs may be missing") {
  Archive archive;
  json absent = archive.add_blob("absent");
  archive.report.documents.erase("blobs/sha256/" + hex_of("absent"));
  archive.set_index({named(archive.add_index({for_platform(archive.add_image("a", host()), host()),
                                              for_platform(absent, kOther)}),
                           "app:1")});
  CHECK(archive.choose() == "a");
  CHECK(archive.choose({"app:1", "linux/" + host(), ""}) == "a");
  CHECK(archive.choose({"", std::string("linux/") + kOther, ""}) == "missing_blob");
  CHECK(archive.choose({"", "linux/s390x", ""}) == "wrong_platform");
}

TEST_CASE("where the index is silent, the config says what the image is for") {
  Archive archive;
  archive.set_index({archive.add_image("a", kOther)});
  CHECK(archive.choose() == "wrong_platform");
  CHECK(archive.choose({"", std::string("linux/") + kOther, ""}) == "a");
}

TEST_CASE("a variant chooses between two images of one architecture") {
  Archive archive;
  archive.set_index({for_platform(archive.add_image("six", "arm"), "arm", "v6"),
                     for_platform(archive.add_image("seven", "arm"), "arm", "v7")});
  CHECK(archive.choose({"", "linux/arm/v6", ""}) == "six");
  CHECK(archive.choose({"", "linux/arm", ""}) == "ambiguous_image");
}

TEST_CASE("attestations are no images") {
  Archive archive;
  json attestation = archive.add_blob("{}");
  attestation["annotations"] = {{"vnd.docker.reference.type", "attestation-manifest"}};
  attestation["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
  archive.set_index({archive.add_image("a", host()), attestation});
  CHECK(archive.choose() == "a");
}

TEST_CASE("a pin takes the digest of the image, of its manifest, or of an index that leads there") {
  Archive archive;
  const json entry = archive.add_image("a", host());
  const json index = archive.add_index({entry});
  archive.set_index({index, archive.add_image("b", host())});
  CHECK(archive.choose({"", "", entry["digest"]}) == "a");
  CHECK(archive.choose({"", "", index["digest"]}) == "a");
  CHECK(archive.choose({"", "", archive.config_digests["b"]}) == "b");
  CHECK(archive.choose({"", "", "sha256:" + std::string(64, '0')}) == "digest_mismatch");
}

TEST_CASE("every document has the size and the digest by which it is named") {
  for (const bool same_size : {true, false}) {
    Archive archive;
    const json entry = archive.add_image("a", host());
    archive.set_index({entry});
    const auto blob_of = [](const json& descriptor) {
      return "blobs/sha256/" + descriptor["digest"].get<std::string>().substr(7);
    };
    std::string& manifest = archive.report.documents[blob_of(entry)];
    if (same_size) {
      manifest[manifest.find('2')] = '3';
    } else {
      manifest += " ";
    }
    CHECK(archive.choose() == "digest_mismatch");
  }
}

TEST_CASE("every layer has the size and both digests that are promised") {
  const auto changed = [](auto change) {
    Archive archive;
    archive.set_index({archive.add_image("a", host())});
    change(archive.report.layers.front());
    return archive.choose();
  };
  CHECK(changed([](auto& layer) { layer.size = 2; }) == "digest_mismatch");
  CHECK(changed([](auto& layer) { layer.diff_hex = hex_of("b"); }) == "digest_mismatch");
  CHECK(changed([](auto& layer) { layer.compressed_hex = hex_of("b"); }) == "digest_mismatch");
}

TEST_CASE("a layer that the archive did not bring is left to the store") {
  Archive archive;
  archive.set_index({archive.add_image("a", host())});
  archive.report.layers.clear();
  const image::ImagePlan plan = image::plan_image(archive.report, {});
  REQUIRE(plan.layers.size() == 1);
  CHECK(plan.layers[0].directory.empty());
  CHECK(plan.layers[0].diff_hex == hex_of("a"));
}

TEST_CASE("documents that make no sense are refused, each with its reason") {
  const auto indexed = [](const json& manifests) {
    Archive archive;
    archive.report.documents["index.json"] = json{{"manifests", manifests}}.dump();
    return archive.choose();
  };
  const std::string digest = "sha256:" + std::string(64, 'a');
  CHECK(indexed(json::object()) == "bad_manifest");
  CHECK(indexed(json::array({1})) == "bad_manifest");
  CHECK(indexed(json::array({json::object()})) == "bad_manifest");
  CHECK(indexed(json::array({{{"digest", digest}}})) == "bad_manifest");
  CHECK(indexed(json::array({{{"digest", digest}, {"size", -1}}})) == "bad_manifest");
  CHECK(indexed(json::array({{{"digest", "sha512:00"}, {"size", 1}}})) == "bad_manifest");
  CHECK(indexed(json::array({{{"digest", digest}, {"size", 1}}})) == "missing_blob");
  CHECK(indexed(json::array()) == "not_an_image");

  Archive deep;
  json entry = deep.add_image("a", host());
  for (int i = 0; i < 6; ++i) entry = deep.add_index({entry});
  deep.set_index({entry});
  CHECK(deep.choose() == "too_large");

  Archive wide;
  std::vector<json> many;
  many.reserve(1100);
  for (int i = 0; i < 1100; ++i) many.push_back(wide.add_blob(std::to_string(i)));
  wide.set_index(many);
  CHECK(wide.choose() == "too_large");

  Archive large;
  large.set_index({large.add_image("a", host())});
  large.report.documents.erase("index.json");
  large.report.oversized.insert("index.json");
  CHECK(large.choose() == "too_large");
}

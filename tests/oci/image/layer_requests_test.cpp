#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "archive_builder.h"
#include "oci/image/digest.h"
#include "store_fixture.h"

using builder::docker_save;
using builder::file;
using fixture::Store;

namespace {

std::string diff_id_of(const std::vector<builder::Item>& layer) {
  return "sha256:" + image::sha256_hex(builder::tar(layer));
}

// The archive of one layer without that layer.
std::string without_layers(const std::vector<builder::Item>& layer) {
  builder::SavedImage thin;
  thin.layers = {builder::tar(layer)};
  thin.change_manifest = [](nlohmann::json& m) { m[0]["Layers"][0] = "absent/layer.tar"; };
  return docker_save(thin);
}

std::shared_ptr<const image::Image> import(image::ImageStore& store, const std::string& archive,
                                           const std::string& request) {
  const auto import = store.begin_import({}, request);
  import->write(archive);
  return import->finish();
}

}  // namespace

TEST_CASE("a layer that the store has need not be sent, and stays until the import has ended") {
  NEEDS_ROOT();
  const std::vector<builder::Item> layer = {file("a")};
  Store store;
  const auto first = store.import(docker_save({layer}));
  REQUIRE(first.image);
  const image::LayerAnswer answer =
      store.store()->request_layers({diff_id_of(layer), diff_id_of({file("b")})});
  CHECK(answer.missing == std::vector<std::string>{diff_id_of({file("b")})});

  builder::SavedImage thin;
  thin.layers = {builder::tar(layer), builder::tar({file("b")})};
  thin.change_manifest = [](nlohmann::json& m) { m[0]["Layers"][0] = "absent/layer.tar"; };
  const std::string first_digest = first.image->digest;
  const auto image = import(*store.store(), docker_save(thin), answer.request);
  CHECK(fixture::read(image->rootfs / "a") == "x");
  CHECK(fixture::read(image->rootfs / "b") == "x");
}

TEST_CASE("a layer that is neither sent nor there is missing, asked or not") {
  NEEDS_ROOT();
  const std::vector<builder::Item> layer = {file("a")};
  Store store;
  const image::LayerAnswer answer = store.store()->request_layers({diff_id_of(layer)});
  CHECK(answer.missing.size() == 1);
  CHECK(store.import(without_layers(layer)).code == "missing_layer");
  CHECK_THROWS_AS(import(*store.store(), without_layers(layer), answer.request), sys::Refused);
}

TEST_CASE("what the store has is no answer to what an archive lacks, unless its sender has asked") {
  NEEDS_ROOT();
  const std::vector<builder::Item> layer = {file("a")};
  Store store;
  const auto first = store.import(docker_save({layer}));
  REQUIRE(first.image);
  CHECK(store.import(without_layers(layer)).code == "missing_layer");
  const auto code = [&](const std::string& request) -> std::string {
    try {
      store.store()->begin_import({}, request);
      return "";
    } catch (const sys::Refused& refused) {
      return refused.code();
    }
  };
  CHECK(code("0123456789abcdef") == "unknown_layer_request");
  const std::string request = store.store()->request_layers({diff_id_of(layer)}).request;
  CHECK(code(request) == "");
  CHECK(code(request) == "unknown_layer_request");
  const std::string dropped = store.store()->request_layers({diff_id_of(layer)}).request;
  store.store()->drop_layer_request(dropped);
  store.store()->drop_layer_request(dropped);
  CHECK(code(dropped) == "unknown_layer_request");
}

TEST_CASE("who asks for a layer that another one is bringing waits, and need not bring it") {
  NEEDS_ROOT();
  const std::vector<builder::Item> layer = {file("a")};
  Store store;
  const image::LayerAnswer first = store.store()->request_layers({diff_id_of(layer)});
  auto import = store.store()->begin_import({}, first.request);
  std::atomic<bool> answered = false;
  image::LayerAnswer second;
  std::thread waiter([&] {
    second = store.store()->request_layers({diff_id_of(layer)});
    answered = true;
  });
  // Somebody who asks for something else does not wait, and by then the waiter has not been
  // answered, whether it has begun to wait or not.
  CHECK(store.store()->request_layers({diff_id_of({file("b")})}).missing.size() == 1);
  CHECK_FALSE(answered);
  import->write(docker_save({layer}));
  const auto image = import->finish();
  CHECK_FALSE(answered);
  import.reset();
  waiter.join();
  CHECK(second.missing.empty());
}

TEST_CASE("an import that fails leaves its layers to the next who asks") {
  NEEDS_ROOT();
  const std::vector<builder::Item> layer = {file("a")};
  Store store;
  const image::LayerAnswer first = store.store()->request_layers({diff_id_of(layer)});
  auto import = store.store()->begin_import({}, first.request);
  std::thread failing([&] { import.reset(); });
  CHECK(store.store()->request_layers({diff_id_of(layer)}).missing.size() == 1);
  failing.join();
}

TEST_CASE("a question that makes no sense is refused") {
  NEEDS_ROOT();
  Store store;
  CHECK_THROWS_AS(store.store()->request_layers({"../../etc"}), sys::Refused);
  CHECK_THROWS_AS(
      store.store()->request_layers(std::vector<std::string>(129, diff_id_of({file("a")}))),
      sys::Refused);
  CHECK(store.store()->request_layers({}).missing.empty());
}

// Archives byte by byte, so that a test can write what no tar program would: owners that wrap,
// names with `..`, two entries of one name. And `docker save` archives made of such layers.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace builder {

struct Item {
  std::string name;
  char type = '0';
  std::string content;
  std::string link;
  unsigned mode = 0644;
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t mtime = 1'000'000'000;
  std::vector<std::pair<std::string, std::string>> pax;  // records before the entry
  std::string pax_raw;                                   // instead of records
  std::int64_t stated_size = -1;                         // in the header, whatever the content is
};

Item file(const std::string& name, const std::string& content = "x", unsigned mode = 0644);
Item directory(const std::string& name, unsigned mode = 0755);
Item soft_link(const std::string& name, const std::string& target);
Item hard_link(const std::string& name, const std::string& target);
Item special(const std::string& name, char type);
Item owned(Item item, std::int64_t uid, std::int64_t gid);

// One entry without the end mark; the whole archive with it.
std::string tar_entry(const Item& item);
std::string tar(const std::vector<Item>& items);
std::string gzip(const std::string& bytes);

// The architecture that this machine's images have, and another one.
std::string host_architecture();

// An image as engine 20.10 saves it. The hooks change the documents before they are written.
struct SavedImage {
  std::vector<std::string> layers;  // tars, from the lowest up
  nlohmann::json config = nlohmann::json::object();
  std::function<void(nlohmann::json&)> change_config = [](nlohmann::json&) {};
  std::function<void(nlohmann::json&)> change_manifest = [](nlohmann::json&) {};
  bool compress_layers = false;
  bool blobs = false;           // the names of engine 25 and later
  bool manifest_first = false;  // engine 20.10 writes it last
};
std::string docker_save(const SavedImage& image);
std::string docker_save(const std::vector<std::vector<Item>>& layers);

}  // namespace builder

#include "tests/oci/image/archive_builder.h"

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "oci/image/digest.h"

namespace builder {
namespace {

constexpr std::size_t kBlock = 512;

void pad(std::string& bytes) {
  bytes.append((kBlock - bytes.size() % kBlock) % kBlock, '\0');
}

// Octal where it fits, base-256 (GNU) where it does not.
void put_number(std::string& header, std::size_t offset, std::size_t size, std::int64_t value) {
  const std::int64_t largest = (std::int64_t{1} << (3 * (size - 1))) - 1;
  if (value >= 0 && value <= largest) {
    char text[32];
    std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(size - 1),
                  static_cast<unsigned long long>(value));
    header.replace(offset, size - 1, text);
    return;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t shift = 8 * (size - 1 - i);
    const std::int64_t byte = shift >= 64 ? (value < 0 ? -1 : 0) : value >> shift;
    header[offset + i] = static_cast<char>(byte & 0xff);
  }
  header[offset] = static_cast<char>(header[offset] | static_cast<char>(0x80));
}

std::string header_of(const std::string& name, const Item& item, char type, std::size_t size) {
  std::string header(kBlock, '\0');
  header.replace(0, std::min<std::size_t>(name.size(), 100), name.substr(0, 100));
  put_number(header, 100, 8, item.mode);
  put_number(header, 108, 8, item.uid);
  put_number(header, 116, 8, item.gid);
  put_number(header, 124, 12, static_cast<std::int64_t>(size));
  put_number(header, 136, 12, item.mtime);
  header[156] = type;
  header.replace(157, std::min<std::size_t>(item.link.size(), 100), item.link.substr(0, 100));
  header.replace(257, 8,
                 std::string("ustar\0"
                             "00",
                             8));
  header.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char text[8];
  std::snprintf(text, sizeof text, "%06o", sum);
  header.replace(148, 7, std::string(text, 7));
  return header;
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

}  // namespace

Item file(const std::string& name, const std::string& content, unsigned mode) {
  Item item;
  item.name = name;
  item.content = content;
  item.mode = mode;
  return item;
}

Item directory(const std::string& name, unsigned mode) {
  Item item = file(name, "", mode);
  item.type = '5';
  return item;
}

Item soft_link(const std::string& name, const std::string& target) {
  Item item = file(name, "", 0777);
  item.type = '2';
  item.link = target;
  return item;
}

Item hard_link(const std::string& name, const std::string& target) {
  Item item = soft_link(name, target);
  item.type = '1';
  return item;
}

Item special(const std::string& name, char type) {
  Item item = file(name, "");
  item.type = type;
  return item;
}

Item owned(Item item, std::int64_t uid, std::int64_t gid) {
  item.uid = uid;
  item.gid = gid;
  return item;
}

std::string tar_entry(const Item& item) {
  std::string records = item.pax_raw;
  if (item.name.size() > 100) records += pax_record("path", item.name);
  if (item.link.size() > 100) records += pax_record("linkpath", item.link);
  for (const auto& [key, value] : item.pax) records += pax_record(key, value);
  std::string bytes;
  if (!records.empty()) {
    bytes = header_of("pax", Item{}, 'x', records.size()) + records;
    pad(bytes);
  }
  const std::size_t size =
      item.stated_size < 0 ? item.content.size() : static_cast<std::size_t>(item.stated_size);
  bytes += header_of(item.name, item, item.type, size) + item.content;
  pad(bytes);
  return bytes;
}

std::string tar(const std::vector<Item>& items) {
  std::string bytes;
  for (const Item& item : items) bytes += tar_entry(item);
  return bytes + std::string(2 * kBlock, '\0');
}

std::string gzip(const std::string& bytes) {
  std::string out(bytes.size() + bytes.size() / 8 + 4096, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_raw(writer);
  archive_write_add_filter_gzip(writer);
  archive_write_set_bytes_per_block(writer, 1);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  archive_entry* entry = archive_entry_new();
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_write_header(writer, entry);
  const bool written = archive_write_data(writer, bytes.data(), bytes.size()) ==
                       static_cast<la_ssize_t>(bytes.size());
  archive_entry_free(entry);
  archive_write_close(writer);
  archive_write_free(writer);
  if (!written) throw std::runtime_error("gzip failed");
  out.resize(used);
  return out;
}

std::string host_architecture() {
#if defined(__x86_64__)
  return "amd64";
#else
  return "arm64";
#endif
}

std::string docker_save(const SavedImage& image) {
  using nlohmann::json;
  std::vector<Item> items;
  json diff_ids = json::array();
  json paths = json::array();
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    const std::string bytes = image.compress_layers ? gzip(image.layers[i]) : image.layers[i];
    const std::string id = image::sha256_hex("layer " + std::to_string(i));
    const std::string path =
        image.blobs ? "blobs/sha256/" + image::sha256_hex(bytes) : id + "/layer.tar";
    diff_ids.push_back("sha256:" + image::sha256_hex(image.layers[i]));
    paths.push_back(path);
    if (!image.blobs) {
      items.push_back(directory(id + "/"));
      items.push_back(file(id + "/VERSION", "1.0"));
      items.push_back(file(id + "/json", "{\"id\":\"" + id + "\"}"));
    }
    items.push_back(file(path, bytes));
  }
  json config = {{"architecture", host_architecture()},
                 {"os", "linux"},
                 {"config", image.config},
                 {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}};
  image.change_config(config);
  const std::string config_bytes = config.dump();
  const std::string config_hex = image::sha256_hex(config_bytes);
  const std::string config_path = image.blobs ? "blobs/sha256/" + config_hex : config_hex + ".json";
  items.push_back(file(config_path, config_bytes));
  json manifest = json::array(
      {{{"Config", config_path}, {"RepoTags", json::array({"test:latest"})}, {"Layers", paths}}});
  image.change_manifest(manifest);
  const Item manifest_item = file("manifest.json", manifest.dump());
  items.insert(image.manifest_first ? items.begin() : items.end(), manifest_item);
  items.push_back(file("repositories", "{\"test\":{\"latest\":\"0\"}}"));
  return tar(items);
}

std::string docker_save(const std::vector<std::vector<Item>>& layers) {
  SavedImage image;
  for (const std::vector<Item>& layer : layers) image.layers.push_back(tar(layer));
  return docker_save(image);
}

}  // namespace builder

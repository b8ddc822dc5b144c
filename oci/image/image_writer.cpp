#include "oci/image/image_writer.h"

#include <array>
#include <nlohmann/json.hpp>
#include <system_error>

#include "oci/image/archive_writer.h"
#include "oci/image/digest.h"
#include "oci/image/image_config.h"
#include "oci/image/refusal.h"
#include "oci/image/tree.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace image {
namespace {

using nlohmann::json;

constexpr std::size_t kHeaderBytes = 512;
constexpr mode_t kDocumentMode = 0644;

std::string rfc3339(std::time_t time) {
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

// What is empty is left out: readers take it for absent, and Go writes it in two ways.
json process_json(const ImageConfig& config) {
  json process = json::object();
  if (!config.entrypoint.empty()) process["Entrypoint"] = config.entrypoint;
  if (!config.cmd.empty()) process["Cmd"] = config.cmd;
  if (!config.env.empty()) process["Env"] = config.env;
  if (!config.working_dir.empty()) process["WorkingDir"] = config.working_dir;
  if (!config.user.empty()) process["User"] = config.user;
  if (!config.labels.empty()) process["Labels"] = config.labels;
  return process;
}

json config_json(const ImageSource& source, const std::string& diff_hex) {
  const std::string created = rfc3339(source.created);
  return {{"architecture", host_architecture()},
          {"os", "linux"},
          {"created", created},
          {"config", process_json(source.config)},
          {"rootfs", {{"type", "layers"}, {"diff_ids", json::array({"sha256:" + diff_hex})}}},
          {"history", json::array({{{"created", created}, {"created_by", "faas pack"}}})}};
}

json manifest_json(const ImageSource& source, const std::string& config_path,
                   const std::string& layer_path) {
  const json tags = source.tags.empty() ? json() : json(source.tags);
  return json::array(
      {{{"Config", config_path}, {"RepoTags", tags}, {"Layers", json::array({layer_path})}}});
}

std::string text_of(const json& document) {
  try {
    return document.dump();
  } catch (const json::exception&) {
    refuse("bad_config", "the image's command, variables, labels and tags must be UTF-8");
  }
}

// What the deploy would refuse is refused before the work is done.
void check(const ImageSource& source) {
  const json config = config_json(source, sha256_hex(""));
  text_of(config);
  parse_config(config);
  try {
    check_command(source.config, source.layer.directory, !source.layer.keep_owners);
  } catch (const std::system_error& error) {
    refuse("unreadable", "cannot read " + printable(source.layer.directory.string()) + ": " +
                             error.code().message());
  }
}

void add_document(TarWriter& archive, const std::string& path, const std::string& text) {
  Entry entry;
  entry.path = path;
  entry.mode = kDocumentMode;
  entry.size = text.size();
  archive.add(entry);
  archive.write(text);
}

}  // namespace

WrittenImage write_image(const ImageSource& source, int output_fd, const std::string& output,
                         const std::function<void(std::uint64_t)>& progress) {
  check(source);
  WrittenImage written;
  const auto append = [&](std::string_view bytes) {
    sys::write_all(output_fd, bytes, output);
    written.size_bytes += bytes.size();
    progress(written.size_bytes);
  };

  append(std::string(kHeaderBytes, '\0'));  // the layer's, when its digest and size are known
  Sha256 sum;
  TarWriter layer(TarWriter::Format::pax, [&](std::string_view bytes) {
    sum.update(bytes);
    append(bytes);
  });
  LayerPacker(source.layer, layer).pack();
  layer.finish();
  const std::uint64_t layer_bytes = written.size_bytes - kHeaderBytes;
  const std::string diff_hex = sum.finish_hex();
  const std::string layer_path = diff_hex + "/layer.tar";

  // A tar ends on a full block, so the next member begins here.
  const std::string config = text_of(config_json(source, diff_hex));
  const std::string config_hex = sha256_hex(config);
  const std::string config_path = config_hex + ".json";
  TarWriter rest(TarWriter::Format::gnu, append);
  add_document(rest, config_path, config);
  add_document(rest, "manifest.json", text_of(manifest_json(source, config_path, layer_path)));
  rest.finish();
  write_at(output_fd, 0, tar_file_header(layer_path, layer_bytes));
  written.digest = "sha256:" + config_hex;
  return written;
}

}  // namespace image

#include "faasd/api/functions_json.h"

#include <nlohmann/json.hpp>

namespace api {
namespace {

std::string rootfs_of(const control::FunctionStatus& status) {
  return status.image ? status.image->rootfs.string() : std::string();
}

nlohmann::json to_json(const image::ImageConfig& config) {
  return {{"entrypoint", config.entrypoint},
          {"cmd", config.cmd},
          {"env", config.env},
          {"working_dir", config.working_dir},
          {"user", config.user},
          {"architecture", config.architecture},
          {"os", config.os},
          {"labels", config.labels}};
}

}  // namespace

nlohmann::json to_json(const control::FunctionStatus& status) {
  nlohmann::json json = function::to_json(status.function);
  json["host_ids"] = {{"first", status.host_ids.first}, {"count", runtime::kHostIds}};
  json["rootfs"] = rootfs_of(status);
  json["live"] = status.live;
  json["parked"] = status.parked;
  if (!status.snapshot.empty()) json["snapshot"] = status.snapshot;
  json["queued"] = status.queued;
  json["invocations"] = status.invocations;
  json["kept_versions"] = status.kept_versions;
  json["notes"] = status.image ? status.image->notes : std::vector<std::string>();
  json["config"] = to_json(status.image ? status.image->config : image::ImageConfig());
  return json;
}

nlohmann::json to_json(const std::string& name, const std::vector<function::Version>& versions) {
  nlohmann::json list = nlohmann::json::array();
  for (const function::Version& version : versions) {
    nlohmann::json& item = list.emplace_back(function::to_json(version));
    item["current"] = list.size() == 1;
  }
  return {{"name", name}, {"versions", list}};
}

nlohmann::json to_json(const control::Collected& collected) {
  nlohmann::json json = {{"images", collected.freed.images},
                         {"layers", collected.freed.layers},
                         {"bytes", collected.freed.bytes}};
  if (!collected.unread.empty()) json["unread"] = collected.unread;
  return json;
}

nlohmann::json to_list_entry(const control::FunctionStatus& status) {
  return {{"ip", status.function.address.to_string()},
          {"rootfs", rootfs_of(status)},
          {"cmd", status.function.command}};
}

}  // namespace api

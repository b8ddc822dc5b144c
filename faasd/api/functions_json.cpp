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
  json["rootfs"] = rootfs_of(status);
  json["live"] = status.live;
  json["parked"] = status.parked;
  json["queued"] = status.queued;
  json["invocations"] = status.invocations;
  json["config"] = to_json(status.image ? status.image->config : image::ImageConfig());
  return json;
}

nlohmann::json to_list_entry(const control::FunctionStatus& status) {
  return {{"ip", status.function.address.to_string()},
          {"rootfs", rootfs_of(status)},
          {"cmd", status.function.command}};
}

}  // namespace api

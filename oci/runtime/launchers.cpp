#include "oci/runtime/launchers.h"

#include "oci/runtime/runc_holes.h"
#include "oci/sys/error.h"

namespace runtime {
namespace {

constexpr const char* kNative = "native";
constexpr const char* kUsualRuntime = "runc";

}  // namespace

Launchers::Launchers(sys::EventLoop& loop, const sys::Log& log, const sys::CgroupTree& cgroups,
                     ConnectBroker& broker, const std::string& name, const Places& places)
    : default_name_(name),
      oci_(loop, name == kNative ? kUsualRuntime : name, places.root, places.bundles, cgroups),
      native_(loop, log, cgroups, broker, places.bundles, places.sockets) {
  if (name == kNative) {
    native_.check();
  } else {
    log_runc_holes(name, log);
  }
}

std::string Launchers::word_for(const std::string& name) const {
  return name == oci_.name() ? kUsualRuntime : name;
}

Launcher& Launchers::get(const std::string& name) {
  const std::string& wanted = name.empty() ? default_name_ : name;
  if (wanted == kNative) {
    native_.check();
    return native_;
  }
  if (wanted == oci_.name() || wanted == kUsualRuntime) return oci_;
  throw sys::Refused(sys::Refusal::invalid, "unknown_launcher",
                     "this faasd has no launcher '" + wanted + "', only '" +
                         std::string(oci_.name()) + "' and 'native'; its --launcher decides");
}

}  // namespace runtime

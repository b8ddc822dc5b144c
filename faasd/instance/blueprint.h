// Everything that the instances of one version of a function have in common, worked out once at the
// deploy: the function, its image, and the container it makes. Immutable and shared: an instance
// keeps the version it was started with alive, so that a replaced one can finish.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "faasd/function/function.h"
#include "oci/image/image.h"
#include "oci/runtime/container.h"
#include "oci/runtime/host_ids.h"
#include "oci/runtime/launcher.h"
#include "oci/runtime/rootfs_view.h"

namespace instance {

struct Blueprint {
  function::Function function;
  std::shared_ptr<const image::Image> image;
  std::shared_ptr<runtime::RootfsView> rootfs;
  runtime::Container container;  // without what differs by instance
  std::chrono::milliseconds timeout;
  runtime::Launcher* launcher = nullptr;  // outlives all that is made
};

// What a daemon makes all of its blueprints with.
struct Workbench {
  runtime::RootfsViews& views;
  bool limit_swap;
  const function::ScriptLimits& scripts;  // count for languages of scripts
  std::shared_ptr<const nlohmann::json> seccomp;
};

// Throws sys::Refused(invalid) if the image cannot run: no command, or one that is not there, an
// unknown user, a working directory that does not do.
std::shared_ptr<const Blueprint> make_blueprint(const function::Function& function,
                                                runtime::Launcher& launcher,
                                                const runtime::HostIds& ids,
                                                std::shared_ptr<const image::Image> image,
                                                const Workbench& workbench);

}  // namespace instance

#include "faasd/instance/blueprint.h"

#include <filesystem>

#include "faasd/instance/leftover.h"
#include "oci/runtime/container_places.h"
#include "oci/sys/program.h"

namespace instance {
std::shared_ptr<const Blueprint> make_blueprint(const function::Function& function,
                                                runtime::Launcher& launcher,
                                                const runtime::HostIds& ids,
                                                std::shared_ptr<const image::Image> image,
                                                const Workbench& workbench) {
  const runtime::RootfsView::Mounted rootfs = workbench.views.look_at(*image);
  // A language without scripts runs programs alone, and is told each time which.
  const bool runs_scripts =
      function.language && function.language->scripts != function::Language::Scripts::none;
  const bool needs_command = !function.language || runs_scripts;
  if (needs_command) image::check_command(image->config, rootfs.path());
  runtime::Container container;
  if (function.language && !function.language->run.empty())
    container.executor = sys::find_own_program("faas-execute");
  container.args = needs_command ? image->config.command()
                                 : std::vector<std::string>{std::string(runtime::kExecutor)};
  container.user = image::resolve_user(image->config, rootfs.path());
  container.ids = runtime::map_ids(ids, container.user);
  container.env = runtime::merge_env(image->config.env, function.env, container.user);
  container.working_dir = image::resolve_working_dir(image->config, rootfs.path());
  const function::ScriptLimits limits = runs_scripts ? workbench.scripts : function::ScriptLimits{};
  container.resources.memory_bytes = limits.memory_bytes.value_or(function.limits.memory_bytes);
  container.resources.limit_swap = workbench.limit_swap;
  container.resources.cpus = limits.cpus.value_or(function.limits.cpus);
  container.resources.pids = function.limits.pids;
  container.resources.tmpfs_bytes = function.limits.tmpfs_bytes;
  container.resources.open_files = function.limits.open_files;
  container.resources.file_bytes = function.limits.file_size_bytes;
  container.seccomp = workbench.seccomp;
  container.image = image;
  container.annotations = marks_of(function, image->digest);
  std::shared_ptr<runtime::RootfsView> view =
      workbench.views.make(function.name, image, container.ids);
  return std::make_shared<const Blueprint>(
      Blueprint{function, std::move(image), std::move(view), std::move(container),
                limits.timeout.value_or(function.limits.timeout), &launcher});
}

}  // namespace instance

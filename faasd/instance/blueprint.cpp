#include "faasd/instance/blueprint.h"

namespace instance {

std::shared_ptr<const Blueprint> make_blueprint(const function::Function& function,
                                                std::shared_ptr<const image::Image> image,
                                                const runtime::RootfsView& view, bool limit_swap) {
  image::check_command(*image);
  runtime::Container container;
  container.rootfs = view.path_of(image->rootfs);
  container.args = image->config.command();
  container.user = image::resolve_user(*image);
  container.env = runtime::merge_env(image->config.env, function.env, container.user);
  container.working_dir = image::resolve_working_dir(*image);
  container.resources.memory_bytes = function.limits.memory_bytes;
  container.resources.limit_swap = limit_swap;
  container.resources.cpus = function.limits.cpus;
  container.resources.pids = function.limits.pids;
  container.resources.tmpfs_bytes = function.limits.tmpfs_bytes;
  return std::make_shared<const Blueprint>(
      Blueprint{function, std::move(image), std::move(container)});
}

}  // namespace instance

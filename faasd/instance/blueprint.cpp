#include "faasd/instance/blueprint.h"

#include "faasd/instance/leftover.h"

namespace instance {

std::shared_ptr<const Blueprint> make_blueprint(const function::Function& function,
                                                const runtime::HostIds& ids,
                                                std::shared_ptr<const image::Image> image,
                                                runtime::RootfsViews& views, bool limit_swap,
                                                std::shared_ptr<const nlohmann::json> seccomp) {
  const runtime::RootfsView::Mounted rootfs = views.look_at(*image);
  image::check_command(image->config, rootfs.path());
  runtime::Container container;
  container.args = image->config.command();
  container.user = image::resolve_user(image->config, rootfs.path());
  container.ids = runtime::map_ids(ids, container.user);
  container.env = runtime::merge_env(image->config.env, function.env, container.user);
  container.working_dir = image::resolve_working_dir(image->config, rootfs.path());
  container.resources.memory_bytes = function.limits.memory_bytes;
  container.resources.limit_swap = limit_swap;
  container.resources.cpus = function.limits.cpus;
  container.resources.pids = function.limits.pids;
  container.resources.tmpfs_bytes = function.limits.tmpfs_bytes;
  container.resources.open_files = function.limits.open_files;
  container.resources.file_bytes = function.limits.file_size_bytes;
  container.seccomp = std::move(seccomp);
  container.annotations = marks_of(function, image->digest);
  std::shared_ptr<runtime::RootfsView> view = views.make(function.name, image, container.ids);
  return std::make_shared<const Blueprint>(
      Blueprint{function, std::move(image), std::move(view), std::move(container)});
}

}  // namespace instance

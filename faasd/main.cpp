// The wiring of the daemon, and nothing else, in the order of its layers; destruction goes back.
#include <csignal>
#include <iostream>

#include "faasd/api/api.h"
#include "faasd/control/host_operator.h"
#include "faasd/control/recover.h"
#include "faasd/control/shutdown.h"
#include "faasd/control_listeners.h"
#include "faasd/directories.h"
#include "faasd/options.h"
#include "faasd/script/open_store.h"
#include "oci/sys/notify.h"
#include "oci/sys/signals.h"
#include "oci/sys/stray_reaper.h"

namespace {

int serve_until_signal(const Options& options) {
  const sys::Log log(options.log_level, options.log_format);
  sys::Signals signals({SIGTERM, SIGINT});
  const Directories directories(options.state_dir, options.run_dir);
  sys::prepare_descriptor_table();
  sys::EventLoop loop;
  const sys::StrayReaper strays(loop);
  runtime::RootfsViews views(loop);
  const sys::CgroupTree cgroups(directories.cgroup_name(), options.cgroup_driver);
  image::ImageStore images(directories.state(), log);
  runtime::ConnectBroker broker(directories.broker_socket(), log);
  runtime::Launchers launchers(
      loop, log, cgroups, broker, options.launcher,
      {directories.runtime_root(), directories.bundles(), views.own_directory()});
  const function::FunctionStore store(directories.state(), log);
  function::AddressPool addresses(function::Subnet(options.subnet), directories.address_journal());
  journal::Journal journal(directories.state(), log);
  instance::Sweeper sweeper(cgroups, log);
  const instance::Workshop shop{
      loop, log, cgroups, sweeper, journal, broker, directories.bundles()};
  control::remove_leftovers(shop, launchers.oci(), addresses);
  serve::Dispatcher dispatcher(shop, serve::default_host_bounds(), addresses.subnet());
  control::HostOperator op(
      {loop, log, images, views, store, addresses, dispatcher, launchers, journal},
      {options.function_port, cgroups.limits_swap(), options.keep_versions, options.script_limits});
  op.restore();
  script::Scripts scripts(loop, dispatcher, script::open_store(options.store, directories.state()),
                          options.code_bytes);
  ControlListeners listeners(options.socket, options.listen);
  api::Api api(op, &scripts, log, {.token_file = options.token_file, .group = "faas", .server = {}},
               listeners.take());
  control::Shutdown shutdown(loop, log, dispatcher, options.drain_timeout, [&] {
    api.set_ready(false);
    images.stop_imports();
    sys::notify_service_manager("STOPPING=1");
  });
  const auto watch = signals.watch(loop, [&](int number) { shutdown.on_signal(number); });
  api.start();
  listeners.announce_ready(log, options.subnet);
  loop.run();
  api.stop();
  log.info("stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string_view(argv[1]) == "unpack-image")
      return image::unpack_main(argv[2]);
    int exit_code = 0;
    const std::optional<Options> options = parse_options(argc, argv, exit_code);
    return options ? serve_until_signal(*options) : exit_code;
  } catch (const std::exception& error) {
    std::cerr << "faasd: " << error.what() << "\n";
    return 1;
  }
}

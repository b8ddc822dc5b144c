// The process that makes containers for faasd (oci/runtime/native/native_launcher.h): small, of one
// thread, started by faasd and ended with it. It has no file of the host, only descriptors it is
// given. Descriptor 0 is its end of a message pair.
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "oci/runtime/native/launcher/slot_maker.h"
#include "oci/runtime/native/launcher/stage.h"
#include "oci/sys/confine.h"
#include "oci/sys/file.h"
#include "oci/sys/keyring.h"

namespace {

void serve_faasd() {
  using sys::Capability;
  sys::close_inherited_descriptors();
  sys::leave_session_keyring();
  runtime::native::SlotMaker maker(STDIN_FILENO, sys::open_directory("/proc"));
  runtime::native::enter_stage();
  sys::keep_capabilities({Capability::chown, Capability::dac_override, Capability::fowner,
                          Capability::setgid, Capability::setuid, Capability::setpcap,
                          Capability::net_admin, Capability::sys_chroot, Capability::sys_admin,
                          Capability::setfcap});
  maker.serve();
}

}  // namespace

int main(int argc, char**) {
  if (argc > 1) {
    std::fprintf(stderr, "faasd starts this by itself, with --launcher native: see faasd(8)\n");
    return 2;
  }
  try {
    serve_faasd();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "faasd-launcher: %s\n", error.what());
    return 1;
  }
}

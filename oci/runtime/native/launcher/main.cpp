// The process that makes containers for faasd (oci/runtime/native/native_launcher.h): small, of one
// thread, started by faasd and ended with it. It has no file of the host, only descriptors it is
// given. Descriptor 0 is its end of a message pair.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

#include "oci/runtime/native/launcher/slot_maker.h"
#include "oci/runtime/native/launcher/stage.h"
#include "oci/sys/confine.h"
#include "oci/sys/file.h"
#include "oci/sys/keyring.h"

namespace {

constexpr int kLastSignal = 64;

// As containers are to have them. Those that a C library keeps for itself, and that its
// sigaction(2) would not touch, as well.
void take_default_signals() {
  struct KernelSigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  };
  const KernelSigaction by_default{};
  for (int number = 1; number <= kLastSignal; ++number) {  // SIGKILL and SIGSTOP refuse, and are so
    ::syscall(SYS_rt_sigaction, number, &by_default, nullptr, sizeof by_default.mask);
  }
}

void serve_faasd() {
  using sys::Capability;
  sys::close_inherited_descriptors();
  take_default_signals();
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

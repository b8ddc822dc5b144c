#include "oci/sys/keyring.h"

#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "oci/sys/error.h"

namespace sys {

void leave_session_keyring() {
  const long keyring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  if (keyring == -1) {
    if (errno == ENOSYS || errno == EPERM) return;
    throw_errno("keyctl KEYCTL_JOIN_SESSION_KEYRING");
  }
  if (::syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, 0) != 0) throw_errno("keyctl KEYCTL_SETPERM");
}

}  // namespace sys

// The seccomp filter of the unpacking process: what is left of the kernel for code that reads a
// hostile archive. Source: seccomp(2), libseccomp's seccomp_rule_add(3).
#pragma once

namespace image {

// From now on only the system calls of unpacking work. What the process has no business with (exec,
// sockets, mounts, device nodes, ptrace, bpf, io_uring, …) kills it; everything else fails with
// ENOSYS, so that the C library can fall back. Memory never becomes executable. Needs
// no_new_privs. Throws std::system_error.
void install_unpack_filter();

}  // namespace image

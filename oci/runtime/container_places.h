// Where in a container something lies that is not the image's: the same whoever makes it.
#pragma once

#include <string_view>

namespace runtime {

// On the container's own tmpfs: an image need not have a place for it.
inline constexpr std::string_view kExecutor = "/dev/faas-execute";
inline constexpr std::string_view kControlSocket = "/control.sock";
// The descriptor that is a snapshot, for the executor.
inline constexpr int kSnapshotFd = 3;

// The paths that Docker masks and makes read-only, for the reasons it gives: they leak or change
// state of the host that has no namespace.
inline constexpr std::string_view kMaskedPaths[] = {
    "/proc/acpi",          "/proc/asound",  "/proc/interrupts",
    "/proc/kcore",         "/proc/keys",    "/proc/latency_stats",
    "/proc/sched_debug",   "/proc/scsi",    "/proc/timer_list",
    "/proc/timer_stats",   "/sys/firmware", "/sys/devices/virtual/powercap",
    "/sys/kernel/security"};
inline constexpr std::string_view kReadonlyPaths[] = {"/proc/bus", "/proc/fs", "/proc/irq",
                                                      "/proc/sys", "/proc/sysrq-trigger"};

// Of /dev: the host's own nodes, and whose there are is for nobody to choose (runtime-spec
// config-linux.md, "Default Devices").
inline constexpr std::string_view kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};

// Options of tmpfs(5) and devpts.
inline constexpr std::string_view kDevOptions = "mode=755,size=65536k,nr_inodes=1024";
// The host has 3,072 terminals for all containers, whoever made them.
inline constexpr std::string_view kTerminalOptions = "newinstance,ptmxmode=0666,mode=0620,max=8";

}  // namespace runtime

// Where slots are made: an empty root file system in memory, which has the host's devices and
// nothing else of the host. Single thread.
#pragma once

namespace runtime::native {

// Below it lie the host's nodes of kDevices.
inline constexpr const char* kStageDevices = "/devices";
// Where a slot puts together what becomes a root.
inline constexpr const char* kStageParts = "/parts";
inline constexpr const char* kStageRoot = "/root";

// Makes it this process's root, in a mount namespace of its own: nothing of the host can be reached
// by a path any more. Throws std::system_error.
void enter_stage();

}  // namespace runtime::native

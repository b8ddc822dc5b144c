// The session keyring that containers are born with. keyrings(7), session-keyring(7).
// It belongs to a thread, and children have that of the thread that starts them.
#pragma once

namespace sys {

// Has this thread leave the keyring of whoever started it for a new one that is empty and closed to
// all, so that what it starts has neither the keys of an operator nor a keyring of its own: each of
// those counts for its user, and the kernel gives a user 200 (kernel.keys.maxkeys). Does nothing
// where there are no keyrings, or none may be made.
void leave_session_keyring();

}  // namespace sys

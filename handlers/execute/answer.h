// The request on a connection, from its first byte to the last of its reply. One thread.
#pragma once

namespace execute {

// What cannot be served is answered as such. Throws ClientGone.
void answer(int connection);

}  // namespace execute

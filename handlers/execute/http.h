// As much of HTTP/1.1 (RFC 9112) as one request with a body and its reply need, on a blocking
// socket. One thread. All throw ClientGone when the other side has closed, and BadRequest for what
// is no request of ours.
#pragma once

#include <string>
#include <string_view>

#include "handlers/execute/program.h"

namespace execute {

// The body of `POST /`.
std::string read_body(int connection);

// The beginning of a reply of JSON lines, which ends with the connection.
void send_head(int connection);
void send_text(int connection, std::string_view text);

// A whole reply.
void send_error(int connection, const BadRequest& problem);

// Says that all was sent, and reads what the client still sends: closing a socket that holds unread
// bytes resets the connection, and the reply may be lost with it. RFC 9112, 9.6.
void finish(int connection) noexcept;

}  // namespace execute

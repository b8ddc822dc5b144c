// Sockets: listeners, accepting, passing a descriptor over a Unix socket, and what the kernel knows
// about a TCP connection. All are close-on-exec. Throws std::system_error that names the address.
// ip(7), unix(7), tcp(7). Any thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "oci/sys/netlink.h"
#include "oci/sys/unique_fd.h"

namespace sys {

struct TcpEndpoint {
  Ipv4 address;
  std::uint16_t port = 0;

  bool operator==(const TcpEndpoint&) const = default;
  std::string to_string() const;  // "127.0.0.1:8080"
};

// "127.0.0.1:8080"; throws Refused(invalid, "bad_address").
TcpEndpoint parse_endpoint(std::string_view text);

// A non-blocking listener. Throws Refused(conflict, "port_in_use") if somebody listens there.
UniqueFd listen_tcp(const TcpEndpoint& endpoint, int backlog);
// The same for a Unix socket `name` in an open directory, with this mode from the start: no path
// length limit, and no link on the way is followed. An old socket of that name is replaced.
UniqueFd listen_unix(int directory_fd, const std::string& name, mode_t mode, int backlog);

// Whether a program accepts connections on the Unix socket `path`; false for a stale one.
bool someone_listens(const std::filesystem::path& path);

enum class AcceptError {
  none_pending,  // EAGAIN
  no_room,       // no descriptor or no memory left: try again later
};
struct Accepted {
  UniqueFd fd;  // blocking, as a handler expects it
  AcceptError error = AcceptError::none_pending;
};
// accept4(2); a connection that broke while it waited is passed over.
Accepted accept_connection(int listener_fd);

TcpEndpoint local_endpoint(int fd);
TcpEndpoint peer_endpoint(int fd);  // zeros if the peer has gone

// Sends `message` with one descriptor attached (SCM_RIGHTS), without waiting. False if the peer has
// gone or does not take it.
bool send_descriptor(int unix_socket, std::string_view message, int fd) noexcept;

// Receives what is there, and a descriptor if one comes with it (a second one is closed).
struct Parcel {
  std::string bytes;
  UniqueFd fd;
  bool ended = false;  // end of the stream, or an error
};
Parcel receive_parcel(int unix_socket);

// The longest address of any kind, and whether one is a Unix socket's.
extern const std::size_t kMaxSocketAddress;
bool is_unix_address(std::span<const std::byte> address) noexcept;

// Why a connection that was in progress did not come to be: SO_ERROR; 0 if it did.
int pending_error(int socket) noexcept;

// What became of the last message on a connected Unix stream socket.
enum class Delivery { pending, taken, refused };
Delivery delivery(int unix_socket) noexcept;

// Whether one byte of payload was ever written to this TCP socket, by whichever process.
// TCP_INFO: tcpi_bytes_sent and what waits in the send queue.
bool has_sent_bytes(int tcp_socket) noexcept;

// SO_COOKIE: the kernel's name of a socket, never reused, the same for all its duplicates.
std::uint64_t socket_cookie(int fd) noexcept;

// Makes the last close(2) of this socket return at once, whatever SO_LINGER somebody else has set
// on it: socket(7).
void close_without_linger(UniqueFd& fd) noexcept;

// Two connected Unix stream sockets: socketpair(2), both close-on-exec and blocking.
struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};
SocketPair make_socket_pair();

// Sends what is taken without waiting, without SIGPIPE; 0 if nothing is, or nobody is there.
std::size_t write_now(int fd, std::string_view bytes) noexcept;
// Sends without blocking and without SIGPIPE; false if not all of it could be sent.
bool send_now(int fd, std::string_view bytes) noexcept;
// Reads and throws away what is there. Returns the number of bytes, 0 at the end of the stream, -1
// if nothing is there yet, -2 on an error.
ssize_t discard_input(int fd) noexcept;
void shutdown_write(int fd) noexcept;

}  // namespace sys

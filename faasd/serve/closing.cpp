#include "faasd/serve/closing.h"

#include <sys/epoll.h>

#include "faasd/function/bounds.h"
#include "oci/sys/socket.h"

namespace serve {

using function::bounds::kLingerBytes;
using function::bounds::kLingerTime;
using function::bounds::kMaxLingering;

std::size_t Closing::close(sys::UniqueFd client, const std::string& text) {
  const bool answered =
      !text.empty() && !sys::has_sent_bytes(client.get()) && sys::send_now(client.get(), text);
  if (answered) sys::shutdown_write(client.get());
  const std::size_t sent_bytes = answered ? text.size() : 0;
  if (!answered || connections_.size() >= kMaxLingering) {
    sys::close_without_linger(client);
    return sent_bytes;
  }
  const std::uint64_t id = next_id_++;
  Connection& connection = connections_[id];
  connection.fd = std::move(client);
  connection.timer = loop_.after(kLingerTime, [this, id] { end(id); });
  connection.watch =
      loop_.watch(connection.fd.get(), EPOLLIN, [this, id](auto) { drop_input(id); });
  return sent_bytes;
}

void Closing::drop_input(std::uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  const ssize_t n = sys::discard_input(it->second.fd.get());
  if (n == -1) return;
  if (n > 0) it->second.dropped_bytes += static_cast<std::size_t>(n);
  if (n <= 0 || it->second.dropped_bytes > kLingerBytes) end(id);
}

void Closing::end(std::uint64_t id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  it->second.watch.reset();
  sys::close_without_linger(it->second.fd);
  connections_.erase(it);
}

}  // namespace serve

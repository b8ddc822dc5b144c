#include "faasd/api/api.h"

#include <malloc.h>

#include "oci/sys/credentials.h"
#include "oci/sys/error.h"
#include "oci/sys/socket.h"

namespace api {
namespace {

constexpr int kLargeBlock = 1 << 20;

Attestor make_attestor(const ApiOptions& options, const std::vector<sys::UniqueFd>& listeners) {
  if (!options.token_file.empty()) return {load_token(options.token_file), options.group};
  for (const sys::UniqueFd& fd : listeners) {
    const sys::SocketFamily family = sys::socket_family(fd.get());
    if (family == sys::SocketFamily::unix_domain) continue;
    const bool loopback = family == sys::SocketFamily::ipv4 &&
                          sys::local_endpoint(fd.get()).address.bits >> 24 == 127;
    if (loopback) continue;
    throw sys::Refused(sys::Refusal::invalid, "token_needed",
                       "--listen names an address that other hosts can reach: give --token-file "
                       "as well, or listen on 127.0.0.1");
  }
  return {std::nullopt, options.group};
}

}  // namespace

Api::Api(control::Operator& op, script::Scripts* scripts, const sys::Log& log,
         const ApiOptions& options, std::vector<sys::UniqueFd> listeners)
    : routes_(op, scripts, make_attestor(options, listeners), log),
      server_(std::move(listeners), routes_.router(), log, options.server) {
  // A request and what is made of it are large blocks for a moment. glibc would learn from the
  // first of them to keep such blocks, in an arena of each connection's thread.
  ::mallopt(M_MMAP_THRESHOLD, kLargeBlock);
}

}  // namespace api

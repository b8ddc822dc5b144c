// A real redis-server of a test's own: on a free port of 127.0.0.1 and on a Unix socket in its own
// directory, keeping nothing on the disk, gone with the object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "faasd/script/redis_address.h"
#include "oci/sys/subprocess.h"
#include "tests/support/scratch.h"

namespace support {

class RedisServer {
 public:
  // Returns when it answers.
  explicit RedisServer(std::string password = "");

  script::RedisAddress address(std::uint32_t database = 0) const;

  // What redis-cli would print, without its decoration: "1", "OK", "-ERR …", elements in lines; ""
  // for nothing. Goes over the Unix socket.
  std::string command(const std::vector<std::string>& words, std::uint32_t database = 0) const;

  void freeze() const;  // SIGSTOP; returns when it stands
  void thaw() const;
  void kill();
  void restart();  // on the same port, empty

 private:
  bool start();

  Scratch scratch_;
  std::string password_;
  std::uint16_t port_ = 0;
  sys::Pipe output_;
  std::optional<sys::Subprocess> process_;
};

}  // namespace support

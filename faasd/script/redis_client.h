// Conversations with one Redis: a command, its answer, within a time. Any number of threads. Keeps
// a few connections; none is made before it is needed, and one at a time, so that an outage
// occupies one thread and the others hear of it at once. The protocol is RESP 2
// (redis.io/docs/reference/protocol-spec).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/script/redis_address.h"

namespace script {

struct RedisReply {
  enum class Kind { nothing, text, number, list, error };

  Kind kind = Kind::nothing;
  std::string text;  // of an error too, then short and printable
  std::int64_t number = 0;
  std::vector<RedisReply> list;
};

class RedisClient {
 public:
  // Connects when it is first used. A Redis that could not be reached, or did not answer in time,
  // counts as not there for a `pause`; then one caller tries.
  RedisClient(RedisAddress address, std::chrono::milliseconds patience,
              std::chrono::milliseconds pause);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // What Redis says, errors included. Throws sys::Refused(unavailable, "store_unavailable") after
  // `patience` at most; then nobody knows whether the command was done.
  RedisReply ask(const std::vector<std::string_view>& words);

  // Throws that refusal.
  [[noreturn]] void refuse(const std::string& reason) const;

  const std::string& name() const noexcept { return name_; }  // without the password

 private:
  using Time = std::chrono::steady_clock::time_point;
  class Link;

  std::unique_ptr<Link> take(Time wait_until, Time deadline);
  std::unique_ptr<Link> connect(Time deadline);
  void give_back(std::unique_ptr<Link> link);
  void lose_one(const std::string& trouble);
  void note(const std::string& trouble);

  const RedisAddress address_;
  const std::string name_;
  const std::chrono::milliseconds patience_;
  const std::chrono::milliseconds pause_;

  std::mutex mutex_;  // guards the below
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Link>> idle_;
  std::size_t open_ = 0;  // idle, lent, and the one that is being made
  bool connecting_ = false;
  std::string trouble_;  // why Redis was not there when last somebody tried; empty if it was
  Time again_at_;
};

}  // namespace script

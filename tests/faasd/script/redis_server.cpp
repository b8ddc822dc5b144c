#include "tests/faasd/script/redis_server.h"

#include <doctest/doctest.h>
#include <hiredis/hiredis.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "oci/sys/socket.h"

namespace support {
namespace {

constexpr int kPorts = 10;  // a free one may be taken by somebody else before redis-server has it

struct Free {
  void operator()(redisContext* context) const { ::redisFree(context); }
  void operator()(redisReply* reply) const { ::freeReplyObject(reply); }
};

std::string text_of(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      return "";
    case REDIS_REPLY_INTEGER:
      return std::to_string(reply.integer);
    case REDIS_REPLY_ARRAY: {
      std::string lines;
      for (std::size_t i = 0; i < reply.elements; ++i) {
        lines += (i > 0 ? "\n" : "") + text_of(*reply.element[i]);
      }
      return lines;
    }
    case REDIS_REPLY_ERROR:
      return "-" + std::string(reply.str, reply.len);
    default:
      return {reply.str, reply.len};
  }
}

std::string run(redisContext& context, const std::vector<std::string>& words) {
  std::vector<const char*> starts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    starts.push_back(word.data());
    sizes.push_back(word.size());
  }
  const std::unique_ptr<redisReply, Free> reply(static_cast<redisReply*>(
      ::redisCommandArgv(&context, static_cast<int>(words.size()), starts.data(), sizes.data())));
  REQUIRE_MESSAGE(reply, context.errstr);
  return text_of(*reply);
}

}  // namespace

RedisServer::RedisServer(std::string password) : password_(std::move(password)) {
  for (int i = 0; i < kPorts; ++i) {
    {
      const sys::UniqueFd listener = sys::listen_tcp({sys::Ipv4{0x7f000001}, 0}, 1);
      port_ = sys::local_endpoint(listener.get()).port;
    }
    if (start()) return;
  }
  FAIL("redis-server does not start (is the package redis-server installed?)");
}

bool RedisServer::start() {
  output_ = sys::make_pipe();
  sys::SubprocessOptions options;
  options.argv = {"redis-server",
                  "--port",
                  std::to_string(port_),
                  "--bind",
                  "127.0.0.1",
                  "--unixsocket",
                  (scratch_.path() / "socket").string(),
                  "--dir",
                  scratch_.path().string(),
                  "--save",
                  "",
                  "--appendonly",
                  "no",
                  "--logfile",
                  ""};
  if (!password_.empty()) options.argv.insert(options.argv.end(), {"--requirepass", password_});
  options.stdout_fd = output_.write_end.get();
  process_.emplace(options);
  output_.write_end.reset();
  std::string said;
  char buffer[4096];
  while (said.find("eady to accept connections") == std::string::npos) {
    const ssize_t n = ::read(output_.read_end.get(), buffer, sizeof buffer);
    if (n <= 0) {
      MESSAGE("redis-server said: " << said);
      process_.reset();
      return false;
    }
    said.append(buffer, static_cast<std::size_t>(n));
  }
  return true;
}

script::RedisAddress RedisServer::address(std::uint32_t database) const {
  return {"127.0.0.1", port_, password_, database};
}

std::string RedisServer::command(const std::vector<std::string>& words,
                                 std::uint32_t database) const {
  const std::unique_ptr<redisContext, Free> context(
      ::redisConnectUnix((scratch_.path() / "socket").c_str()));
  REQUIRE(context);
  REQUIRE_MESSAGE(context->err == 0, context->errstr);
  if (!password_.empty()) REQUIRE(run(*context, {"AUTH", password_}) == "OK");
  REQUIRE(run(*context, {"SELECT", std::to_string(database)}) == "OK");
  return run(*context, words);
}

void RedisServer::freeze() const {
  REQUIRE(::kill(process_->pid(), SIGSTOP) == 0);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(process_->pid()), &info, WSTOPPED) == 0);
}

void RedisServer::thaw() const {
  REQUIRE(::kill(process_->pid(), SIGCONT) == 0);
}

void RedisServer::kill() {
  process_.reset();
}

void RedisServer::restart() {
  kill();
  REQUIRE(start());
}

}  // namespace support

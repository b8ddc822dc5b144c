#include "faasd/script/redis_client.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <array>
#include <new>
#include <stdexcept>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"
#include "oci/sys/tcp_connect.h"
#include "oci/sys/timed_io.h"

namespace script {
namespace {

using std::chrono::steady_clock;

// Redis does one thing at a time: more connections would only wait there instead of here.
constexpr std::size_t kMaxLinks = 16;
// No answer to a command of ours is larger; the rest is for lengths and names.
constexpr std::size_t kMaxReplyBytes =
    function::bounds::kMaxCodeBytes + function::bounds::kMaxCompiledBytes + (8u << 20);
// Nor has one more elements: three for each key of a look at a thousand, and Redis may look at a
// few more. Each costs a hundred bytes, and four on the wire.
constexpr std::size_t kMaxElements = 32'768;
constexpr std::size_t kMaxErrorText = 200;

// The connection is of no use any more.
struct LinkFailure : std::runtime_error {
  LinkFailure(const std::string& reason, bool silence) : runtime_error(reason), silent(silence) {}
  bool silent;  // nothing came in time, so the next one would wait as long
};

// An error text, fit for a message: it is Redis's, and may repeat what a client has sent.
std::string printable(std::string text) {
  text.resize(std::min(text.size(), kMaxErrorText));
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

RedisReply value_of(const redisReply& reply) {
  RedisReply value;
  if (reply.str != nullptr) value.text.assign(reply.str, reply.len);
  value.number = reply.integer;
  switch (reply.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      value.kind = RedisReply::Kind::text;
      break;
    case REDIS_REPLY_INTEGER:
      value.kind = RedisReply::Kind::number;
      break;
    case REDIS_REPLY_ARRAY:
      value.kind = RedisReply::Kind::list;
      value.list.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i) {
        value.list.push_back(value_of(*reply.element[i]));
      }
      break;
    case REDIS_REPLY_ERROR:
      value.kind = RedisReply::Kind::error;
      value.text = printable(std::move(value.text));
      break;
    default:
      break;
  }
  return value;
}

}  // namespace

// One connection, logged in and on its database. hiredis knows the protocol; waiting is ours: it
// has neither a deadline for a whole answer nor a bound of its size, and children would inherit its
// sockets.
class RedisClient::Link {
 public:
  Link(const RedisAddress& address, sys::Deadline deadline)
      : fd_(sys::connect_before(address.host, address.port, deadline)),
        reader_(::redisReaderCreate()) {
    using Kind = RedisReply::Kind;
    if (!reader_) throw std::bad_alloc();
    bound_elements();
    // Without its words: a server that knows no AUTH repeats what it was sent.
    if (!address.password.empty() &&
        ask({"AUTH", address.password}, deadline).kind == Kind::error) {
      throw LinkFailure("it refuses the password", false);
    }
    const RedisReply selected = ask({"SELECT", std::to_string(address.database)}, deadline);
    if (selected.kind != Kind::error) return;
    throw LinkFailure(
        selected.text.starts_with("NOAUTH") ? "it wants a password" : "it says: " + selected.text,
        false);
  }

  // Whether Redis has neither ended it meanwhile nor said anything: that would pass for the answer
  // to the next question.
  bool usable() const noexcept { return sys::is_silent(fd_.get()); }

  RedisReply ask(const std::vector<std::string_view>& words, sys::Deadline deadline) {
    std::vector<const char*> starts;
    std::vector<std::size_t> sizes;
    for (const std::string_view word : words) {
      starts.push_back(word.empty() ? "" : word.data());
      sizes.push_back(word.size());
    }
    char* command = nullptr;
    const auto size = ::redisFormatCommandArgv(&command, static_cast<int>(words.size()),
                                               starts.data(), sizes.data());
    if (size < 0) throw std::bad_alloc();
    const std::unique_ptr<char, void (*)(char*)> owned(command, ::redisFreeCommand);
    check(sys::send_before(fd_.get(), {command, static_cast<std::size_t>(size)}, deadline));
    return receive(deadline);
  }

 private:
  struct Free {
    void operator()(redisReader* reader) const noexcept { ::redisReaderFree(reader); }
    void operator()(redisReply* reply) const noexcept { ::freeReplyObject(reply); }
  };

  // Before hiredis makes anything for them: its own bound came with 1.0.
  void bound_elements() {
    functions_ = *reader_->fn;
    make_array_ = functions_.createArray;
    functions_.createArray = [](const redisReadTask* task, auto count) -> void* {
      Link& link = *static_cast<Link*>(task->privdata);
      const auto wanted = static_cast<std::size_t>(count);
      link.too_many_ = link.too_many_ || wanted > link.elements_left_;
      if (link.too_many_) return nullptr;
      link.elements_left_ -= wanted;
      return link.make_array_(task, count);
    };
    reader_->fn = &functions_;
    reader_->privdata = this;
  }

  RedisReply receive(sys::Deadline deadline) {
    std::array<char, 16 * 1024> buffer;
    std::size_t received = 0;
    elements_left_ = kMaxElements;
    for (;;) {
      void* reply = nullptr;
      if (::redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
        throw LinkFailure(
            too_many_ ? "its answer is too large" : "it does not speak the protocol of Redis",
            false);
      }
      const std::unique_ptr<redisReply, Free> owned(static_cast<redisReply*>(reply));
      // However busily it talks.
      if (steady_clock::now() > deadline) check(sys::IoStatus::timed_out);
      if (owned) {
        if (reader_->pos == reader_->len) return value_of(*owned);
        throw LinkFailure("it says more than it was asked", false);
      }
      const sys::Received part = sys::receive_before(fd_.get(), buffer, deadline);
      check(part.status);
      received += part.size;
      if (received > kMaxReplyBytes) throw LinkFailure("its answer is too large", false);
      ::redisReaderFeed(reader_.get(), buffer.data(), part.size);
    }
  }

  static void check(sys::IoStatus status) {
    if (status == sys::IoStatus::done) return;
    if (status == sys::IoStatus::timed_out) throw LinkFailure("it does not answer", true);
    throw LinkFailure("it has ended the connection", false);
  }

  sys::UniqueFd fd_;
  redisReplyObjectFunctions functions_{};  // what the reader makes objects with
  decltype(functions_.createArray) make_array_ = nullptr;
  std::size_t elements_left_ = 0;  // of this answer
  bool too_many_ = false;
  std::unique_ptr<redisReader, Free> reader_;
};

RedisClient::RedisClient(RedisAddress address, std::chrono::milliseconds patience,
                         std::chrono::milliseconds pause)
    : address_(std::move(address)),
      name_(address_.to_string()),
      patience_(patience),
      pause_(pause) {}

RedisClient::~RedisClient() = default;

void RedisClient::refuse(const std::string& reason) const {
  throw sys::Refused(sys::Refusal::unavailable, "store_unavailable",
                     "the store of scripts, " + name_ + ", is not available (" + reason +
                         "): see to that Redis, and try again");
}

RedisReply RedisClient::ask(const std::vector<std::string_view>& words) {
  const Time deadline = steady_clock::now() + patience_;
  // Half of it for a connection, so that the answer has time, or a queue would pass for an outage.
  std::unique_ptr<Link> link = take(deadline - patience_ / 2, deadline);
  try {
    RedisReply reply = link->ask(words, deadline);
    give_back(std::move(link));
    return reply;
  } catch (const LinkFailure& failure) {
    lose_one(failure.silent ? failure.what() : "");
    refuse(failure.what());
  } catch (...) {
    lose_one("");
    throw;
  }
}

std::unique_ptr<RedisClient::Link> RedisClient::take(Time wait_until, Time deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (!idle_.empty()) {
      std::unique_ptr<Link> link = std::move(idle_.back());
      idle_.pop_back();
      if (link->usable()) return link;
      --open_;
    }
    if (!trouble_.empty() && (connecting_ || steady_clock::now() < again_at_)) refuse(trouble_);
    if (!connecting_ && open_ < kMaxLinks) break;
    if (changed_.wait_until(lock, wait_until) == std::cv_status::timeout) {
      refuse("it is slow, and others wait for it too");
    }
  }
  connecting_ = true;
  ++open_;
  lock.unlock();
  return connect(deadline);
}

std::unique_ptr<RedisClient::Link> RedisClient::connect(Time deadline) {
  std::unique_ptr<Link> link;
  std::string problem;
  try {
    link = std::make_unique<Link>(address_, deadline);
  } catch (const std::exception& error) {
    problem = error.what();
  }
  const std::lock_guard lock(mutex_);
  connecting_ = false;
  changed_.notify_all();
  if (link) {
    trouble_.clear();
    return link;
  }
  --open_;
  note(problem);
  refuse(problem);
}

void RedisClient::give_back(std::unique_ptr<Link> link) {
  const std::lock_guard lock(mutex_);
  trouble_.clear();  // it has answered
  idle_.push_back(std::move(link));
  changed_.notify_one();
}

// A link that was taken is gone; `trouble` is not empty if that says something of the others.
void RedisClient::lose_one(const std::string& trouble) {
  const std::lock_guard lock(mutex_);
  --open_;
  if (!trouble.empty()) note(trouble);
  changed_.notify_all();
}

// Under the lock.
void RedisClient::note(const std::string& trouble) {
  trouble_ = trouble;
  again_at_ = steady_clock::now() + pause_;
  open_ -= idle_.size();  // these would keep their callers waiting, too
  idle_.clear();
}

}  // namespace script

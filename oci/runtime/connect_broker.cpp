#include "oci/runtime/connect_broker.h"

#include <sys/epoll.h>

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "oci/sys/error.h"
#include "oci/sys/file.h"
#include "oci/sys/socket.h"

namespace runtime {
namespace {

// As many launches at once as anybody has processors for.
constexpr int kBacklog = 256;
constexpr mode_t kRootOnly = 0600;
// Of sockaddr_un; runtimes have no way round it.
constexpr std::size_t kMaxPath = 107;
// A runtime sends its state, some 500 bytes, in one message. What it does not say in time it will
// not say.
constexpr std::size_t kMaxState = 256u << 10;
constexpr std::chrono::milliseconds kPatience{10'000};
// Of one container; all of them are counted.
constexpr std::uint64_t kEscapesLogged = 8;

sys::UniqueFd listen_at(const std::filesystem::path& path) {
  if (path.string().size() > kMaxPath) {
    throw sys::Refused(sys::Refusal::invalid, "long_path",
                       path.string() + " is longer than the " + std::to_string(kMaxPath) +
                           " bytes that a socket's path may have; choose a shorter --run-dir");
  }
  return sys::listen_unix(sys::open_directory(path.parent_path()).get(), path.filename(), kRootOnly,
                          kBacklog);
}

// Whose listener it is: `listenerMetadata`, as we wrote it into the config.json.
std::string container_of(const std::string& state) {
  const nlohmann::json json = nlohmann::json::parse(state, nullptr, false);
  if (!json.is_object() || !json.contains("metadata") || !json["metadata"].is_string()) return "";
  return json["metadata"].get<std::string>();
}

}  // namespace

ConnectBroker::Client::Client(ConnectBroker& broker, std::string container)
    : broker_(broker),
      container_(std::move(container)),
      escapes_(std::make_shared<std::atomic<std::uint64_t>>(0)) {
  const std::lock_guard lock(broker_.mutex_);
  broker_.clients_[container_] = escapes_;
}

ConnectBroker::Client::~Client() {
  {
    const std::lock_guard lock(broker_.mutex_);
    broker_.clients_.erase(container_);
  }
  broker_.loop_.post([&broker = broker_, id = container_] { broker.containers_.erase(id); });
}

ConnectBroker::Entrance::Entrance(std::filesystem::path where)
    : path(std::move(where)), listener(listen_at(path)) {}

ConnectBroker::Entrance::~Entrance() {
  std::error_code ignored;  // the next start replaces it
  std::filesystem::remove(path, ignored);
}

ConnectBroker::ConnectBroker(std::filesystem::path socket, const sys::Log& log)
    : entrance_(std::move(socket)),
      log_(log),
      thread_(
          loop_, [this] { begin(); }, [this] { end(); }) {}

ConnectBroker::~ConnectBroker() = default;

void ConnectBroker::begin() {
  workers_.emplace(loop_);
  watch_ = loop_.watch(entrance_.listener.get(), EPOLLIN, [this](auto) { accept_runtimes(); });
}

void ConnectBroker::end() {
  containers_.clear();
  workers_.reset();
}

void ConnectBroker::accept_runtimes() {
  sys::UniqueFd connection = sys::accept_connection(entrance_.listener.get()).fd;
  if (!connection) return;
  const std::uint64_t number = next_runtime_++;
  Runtime& runtime = runtimes_[number];
  runtime.connection = std::move(connection);
  runtime.timeout = loop_.after(kPatience, [this, number] { runtimes_.erase(number); });
  runtime.watch =
      loop_.watch(runtime.connection.get(), EPOLLIN, [this, number](auto) { hear(number); });
}

void ConnectBroker::hear(std::uint64_t number) {
  Runtime& runtime = runtimes_.at(number);
  sys::Parcel parcel = sys::receive_parcel(runtime.connection.get());
  runtime.state += parcel.bytes;
  if (parcel.fd) runtime.listener = std::move(parcel.fd);
  // Not all end the connection then: runc in the foreground keeps it until it exits.
  const bool said = runtime.listener && nlohmann::json::accept(runtime.state);
  if (!said && !parcel.ended && runtime.state.size() <= kMaxState) return;
  Runtime whole = std::move(runtime);
  runtimes_.erase(number);
  take_over(container_of(whole.state), std::move(whole.listener));
}

void ConnectBroker::adopt(const std::string& container, sys::UniqueFd listener) {
  loop_.post([this, container, shared = std::make_shared<sys::UniqueFd>(std::move(listener))] {
    take_over(container, std::move(*shared));
  });
}

// What cannot be adopted is closed, and the calls that it trapped fail with ENOSYS.
void ConnectBroker::take_over(const std::string& container, sys::UniqueFd listener) {
  Counter counter;
  {
    const std::lock_guard lock(mutex_);
    const auto it = clients_.find(container);
    if (it != clients_.end()) counter = it->second;
  }
  if (!counter || !sys::is_call_listener(listener.get())) return;
  containers_.erase(container);  // with its watch before its descriptor
  containers_[container] = {
      .calls = std::make_shared<TrappedCalls>(std::move(listener),
                                              [this, container, counter](sys::SocketCall call) {
                                                note_escape(container, counter, call);
                                              }),
      .watch = {}};
  wait_for_calls(container);
}

void ConnectBroker::wait_for_calls(const std::string& container) {
  Container& waiting = containers_.at(container);
  try {
    waiting.watch = loop_.watch(waiting.calls->listener(), EPOLLIN, [this, container](auto events) {
      if ((events & EPOLLIN) != 0) {
        serve(container);
      } else {
        containers_.erase(container);  // no process of it is left
      }
    });
  } catch (const std::exception& error) {
    give_up(container, error);
  }
}

void ConnectBroker::serve(const std::string& container) {
  Container& known = containers_.at(container);
  known.watch.reset();
  const auto on_done = [this, container, calls = known.calls](TrappedCalls::Outcome outcome) {
    const auto it = containers_.find(container);
    if (it == containers_.end() || it->second.calls != calls) return;  // its Client has gone
    if (outcome == TrappedCalls::Outcome::idle) {
      wait_for_calls(container);
    } else {
      containers_.erase(it);
    }
  };
  try {
    workers_->serve(known.calls, on_done);
  } catch (const std::exception& error) {
    give_up(container, error);
  }
}

void ConnectBroker::give_up(const std::string& container, const std::exception& error) {
  log_.error("broker_failed", {{"instance", container}, {"reason", error.what()}});
  containers_.erase(container);
}

void ConnectBroker::note_escape(const std::string& container, const Counter& counter,
                                sys::SocketCall call) {
  const std::uint64_t count = ++*counter;
  if (count > kEscapesLogged) return;
  log_.warn("escape_attempt",
            {{"instance", container}, {"call", sys::to_word(call)}, {"count", count}});
}

}  // namespace runtime

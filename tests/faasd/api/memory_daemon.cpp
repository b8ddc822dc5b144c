#include "memory_daemon.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "oci/sys/file.h"

namespace api_test {
namespace {

using sys::Refusal;
using sys::Refused;

constexpr sys::Ipv4 kLoopback{0x7f000001};
constexpr sys::Ipv4 kFirstAddress{0x7f4d000a};

class MemoryDeploy : public control::Deploy {
 public:
  MemoryDeploy(MemoryOperator& op, control::FunctionStatus status)
      : operator_(op), status_(std::move(status)) {}
  ~MemoryDeploy() override { operator_.undone += finished_ ? 0 : 1; }

  void write(std::string_view bytes) override {
    operator_.written += bytes.size();
    start_ += bytes.substr(0, 8);
    if (start_.starts_with("not tar")) {
      throw Refused(Refusal::invalid, "not_a_tarball", "the body is no tarball");
    }
    if (start_.starts_with("toolarge")) {
      throw Refused(Refusal::too_large, "image_too_large", "the image is over a bound");
    }
  }
  control::FunctionStatus finish() override {
    finished_ = true;
    return operator_.put(status_);
  }

 private:
  MemoryOperator& operator_;
  control::FunctionStatus status_;
  std::string start_;
  bool finished_ = false;
};

}  // namespace

std::unique_ptr<control::Deploy> MemoryOperator::begin_deploy(const std::string& name,
                                                              const function::Options& options,
                                                              const image::Selection& /*all*/,
                                                              const std::string& /*none*/) {
  ++begun;
  if (name == "full") throw Refused(Refusal::exhausted, "no_address", "the subnet is full");
  if (name == "taken") throw Refused(Refusal::conflict, "port_in_use", "the port is in use");
  if (name == "busy") throw Refused(Refusal::unavailable, "busy", "too many deploys at once");
  control::FunctionStatus status;
  status.function.name = name;
  status.function.image = "sha256:" + std::string(64, 'a');
  status.function.address = kFirstAddress;
  status.function.command = {"/bin/hello", "caf\xe9"};  // Latin-1: not UTF-8
  status.function.env = options.env;
  status.function.limits = options.limits;
  auto image = std::make_shared<image::Image>();
  image->digest = status.function.image;
  image->rootfs = "/state/images/aa/rootfs";
  image->config.entrypoint = {"/bin/hello"};
  image->config.labels = {{"k", "v"}};
  status.image = std::move(image);
  return std::make_unique<MemoryDeploy>(*this, std::move(status));
}

Daemon::Daemon(const std::string& token, bool ready, sys::LogLevel level)
    : log(level, sys::LogFormat::text) {
  op.journal = std::make_unique<journal::Journal>(directory.path(), log);
  api::ApiOptions options;
  if (!token.empty()) {
    options.token_file = directory.path() / "token";
    sys::write_file_durably(options.token_file, token);
  }
  std::vector<sys::UniqueFd> listeners;
  const sys::UniqueFd dir = sys::open_directory(directory.path());
  // 0666 lets the tests see what the API itself says to another uid.
  listeners.push_back(sys::listen_unix(dir.get(), "api.sock", 0666, 16));
  std::filesystem::permissions(directory.path(), std::filesystem::perms::all);
  listeners.push_back(sys::listen_tcp({kLoopback, 0}, 16));
  endpoint = sys::local_endpoint(listeners.back().get());
  api = std::make_unique<api::Api>(op, nullptr, log, options, std::move(listeners));
  api->start();
  api->set_ready(ready);
}

std::string Daemon::ask(const std::string& method, const std::string& target,
                        const std::string& headers, const std::string& body) const {
  return exchange(connect_unix(directory.path() / "api.sock").get(),
                  request(method, target, headers, body));
}

std::string Daemon::request(const std::string& method, const std::string& target,
                            const std::string& headers, const std::string& body) {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

bool is_root() {
  if (::geteuid() == 0) return true;
  MESSAGE("skipped: the API serves root, and this test runs as another user");
  return false;
}

nlohmann::json json_of(const std::string& answer) {
  return nlohmann::json::parse(body_of_answer(answer));
}

}  // namespace api_test

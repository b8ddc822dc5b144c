// The whole API over real sockets, on an Operator that keeps its functions in memory.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "faasd/api/api.h"
#include "oci/sys/error.h"

namespace api_test {

class MemoryOperator : public control::Operator {
 public:
  std::unique_ptr<control::Deploy> begin_deploy(const std::string& name,
                                                const function::Options& options,
                                                const image::Selection& selection,
                                                const std::string& layer_request) override;
  image::LayerAnswer request_layers(const std::vector<std::string>& diff_ids) override {
    return {"0123", diff_ids};
  }
  void drop_layer_request(const std::string& id) override {
    const std::lock_guard lock(mutex_);
    dropped_requests.push_back(id);
  }
  void remove(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    if (name == "broken") throw std::runtime_error("write /state/broken.json: No space left");
    if (functions_.erase(name) == 0) {
      throw sys::Refused(sys::Refusal::not_found, "unknown_function",
                         "there is no function " + name);
    }
  }
  std::optional<control::FunctionStatus> find(const std::string& name) override {
    const std::lock_guard lock(mutex_);
    const auto it = functions_.find(name);
    if (it == functions_.end()) return std::nullopt;
    return it->second;
  }
  std::vector<control::FunctionStatus> list() override {
    const std::lock_guard lock(mutex_);
    std::vector<control::FunctionStatus> all;
    for (const auto& [name, status] : functions_) all.push_back(status);
    return all;
  }

  control::FunctionStatus rollback(const std::string& name,
                                   std::optional<std::uint64_t> version) override {
    control::FunctionStatus status = known(name);
    if (version.value_or(1) > 1)
      throw sys::Refused(sys::Refusal::not_found, "unknown_version", "no such");
    status.function.rollback_of = 1;
    return put(std::move(status));
  }
  std::vector<function::Version> versions(const std::string& name) override {
    const control::FunctionStatus status = known(name);
    function::Version first = status.function;
    first.version = 1;
    first.rollback_of = 0;
    return {status.function, first};
  }
  control::Collected collect_garbage() override { return garbage; }
  std::shared_ptr<journal::Book> book(const std::string& name) override {
    known(name);
    return journal->book(name);
  }
  serve::Metrics metrics() override { return counted; }

  control::FunctionStatus put(control::FunctionStatus status) {
    const std::lock_guard lock(mutex_);
    const auto it = functions_.find(status.function.name);
    if (it != functions_.end()) status.function.version = it->second.function.version + 1;
    return functions_.insert_or_assign(status.function.name, status).first->second;
  }

  control::Collected garbage;
  serve::Metrics counted;
  std::unique_ptr<journal::Journal> journal;
  int begun = 0;
  int undone = 0;
  std::size_t written = 0;
  std::vector<std::string> dropped_requests;

 private:
  control::FunctionStatus known(const std::string& name) {
    if (const auto status = find(name)) return *status;
    throw sys::Refused(sys::Refusal::not_found, "unknown_function", "there is no function " + name);
  }

  std::mutex mutex_;
  std::map<std::string, control::FunctionStatus> functions_;
};

struct Daemon {
  sys::Log log;
  TemporaryDirectory directory;
  MemoryOperator op;
  sys::TcpEndpoint endpoint;
  std::unique_ptr<api::Api> api;

  explicit Daemon(const std::string& token = "", bool ready = true,
                  sys::LogLevel level = sys::LogLevel::error);

  // Over the Unix socket, whose rules do not depend on the uid of who runs the test as long as it
  // is root; the tests of other callers say so themselves.
  std::string ask(const std::string& method, const std::string& target,
                  const std::string& headers = "", const std::string& body = "") const;
  static std::string request(const std::string& method, const std::string& target,
                             const std::string& headers, const std::string& body);
};

// False, with the reason, for whom the API does not serve.
bool is_root();

nlohmann::json json_of(const std::string& answer);

}  // namespace api_test

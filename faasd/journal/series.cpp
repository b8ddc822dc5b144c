#include "faasd/journal/series.h"

#include <nlohmann/json.hpp>

namespace journal {

std::uint64_t id_of(const std::string& record) {
  const nlohmann::json json = nlohmann::json::parse(record, nullptr, false);
  if (!json.is_object()) return 0;
  const auto id = json.find("id");
  return id != json.end() && id->is_number_unsigned() ? id->get<std::uint64_t>() : 0;
}

Series::Series(const std::filesystem::path& directory, const std::string& name,
               std::size_t file_bytes)
    : label_(directory.filename().string() + "/" + name), file_(directory, name, file_bytes) {}

std::uint64_t Series::last_id() {
  if (!last_id_) {
    const std::vector<std::string> last = file_.tail(1);
    last_id_ = last.empty() ? 0 : id_of(last.front());
  }
  return *last_id_;
}

void Series::write(const std::vector<nlohmann::ordered_json>& records) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  std::uint64_t id = last_id();
  std::vector<std::string> lines;
  for (const nlohmann::ordered_json& record : records) {
    nlohmann::ordered_json numbered = {{"id", ++id}};
    numbered.update(record);
    // Pure ASCII: neither a byte that is no UTF-8 nor a control character of a container's gets
    // out.
    lines.push_back(numbered.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  }
  last_id_ = id;
  followers_.remove_if([](const std::weak_ptr<Follower>& follower) { return follower.expired(); });
  for (const std::weak_ptr<Follower>& weak : followers_) {
    std::shared_ptr<Follower> follower = weak.lock();
    for (const std::string& line : lines) {
      if (follower) follower->put(line);
    }
  }
  file_.append(lines);
}

std::vector<std::string> Series::tail(std::size_t count) const {
  const std::lock_guard lock(mutex_);
  return file_.tail(count);
}

std::shared_ptr<Follower> Series::follow(std::size_t count, std::uint64_t after) {
  auto follower = std::make_shared<Follower>();
  const std::lock_guard lock(mutex_);
  for (const std::string& line : file_.tail(count)) {
    if (after == 0 || id_of(line) > after) follower->put(line);
  }
  closed_ ? follower->end() : followers_.push_back(follower);
  return follower;
}

void Series::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const std::weak_ptr<Follower>& weak : followers_) {
    if (std::shared_ptr<Follower> follower = weak.lock()) follower->end();
  }
  followers_.clear();
}

}  // namespace journal

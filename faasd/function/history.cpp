#include "faasd/function/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"

namespace function {
namespace {

using nlohmann::json;

constexpr const char* kPrevious = "previous";

[[noreturn]] void corrupt(const std::string& what) {
  throw sys::Refused(sys::Refusal::invalid, "corrupt_function", what);
}

[[noreturn]] void unknown_version(const History& history, const std::string& what) {
  std::string kept = std::to_string(history.current.version);
  for (const Version& version : history.previous) kept += ", " + std::to_string(version.version);
  throw sys::Refused(sys::Refusal::not_found, "unknown_version",
                     what + "; kept of '" + history.current.name + "': " + kept);
}

}  // namespace

History succeed(const History& old, const Version& next, std::size_t keep) {
  History history = old;
  history.previous.insert(history.previous.begin(), old.current);
  static_cast<Version&>(history.current) = next;
  history.current.version = old.current.version + 1;
  history.previous.resize(std::min(history.previous.size(), keep - 1));
  while (!history.previous.empty() && to_text(history).size() > bounds::kMaxFunctionFile) {
    history.previous.pop_back();
  }
  return history;
}

const Version& version_of(const History& history, std::uint64_t number) {
  if (history.current.version == number) return history.current;
  for (const Version& version : history.previous) {
    if (version.version == number) return version;
  }
  unknown_version(history, "there is no version " + std::to_string(number));
}

const Version& version_before(const History& history) {
  if (!history.previous.empty()) return history.previous.front();
  unknown_version(history, "there is no version before the current one");
}

std::set<std::string> images_of(const History& history) {
  std::set<std::string> images = {history.current.image};
  for (const Version& version : history.previous) images.insert(version.image);
  return images;
}

std::string to_text(const History& history) {
  json object = to_json(history.current);
  json& previous = object[kPrevious] = json::array();
  for (const Version& version : history.previous) previous.push_back(to_json(version));
  return object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

History history_from_json(const json& object) {
  History history{function_from_json(object), {}};
  const auto previous = object.find(kPrevious);
  if (previous == object.end()) return history;
  if (!previous->is_array() || previous->size() >= bounds::kMaxKeptVersions) {
    corrupt("the field 'previous' is no list of versions, or longer than any can be");
  }
  std::uint64_t later = history.current.version;
  for (const json& item : *previous) {
    const Version& version = history.previous.emplace_back(version_from_json(item));
    if (version.version >= later) corrupt("the versions in 'previous' are not in order");
    later = version.version;
  }
  return history;
}

}  // namespace function

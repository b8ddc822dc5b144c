#include "faasd/function/function_store.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>

#include "faasd/function/bounds.h"
#include "oci/sys/error.h"
#include "oci/sys/file.h"

namespace function {
namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::string_view kSetAside = ".json.corrupt";

History read_history(const std::filesystem::path& path, const std::string& name) {
  const std::string text = sys::read_file(path, bounds::kMaxFunctionFile);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw sys::Refused(sys::Refusal::invalid, "corrupt_function", "it is no JSON");
  }
  History history = history_from_json(json);
  if (history.current.name != name) {
    throw sys::Refused(sys::Refusal::invalid, "corrupt_function",
                       "it names another function, '" + history.current.name + "'");
  }
  return history;
}

}  // namespace

FunctionStore::FunctionStore(const std::filesystem::path& state_dir, const sys::Log& log)
    : directory_(state_dir / "functions"), log_(log) {
  sys::make_directory(directory_, 0700);
}

std::filesystem::path FunctionStore::path_of(const std::string& name) const {
  return directory_ / (name + std::string(kSuffix));
}

std::vector<History> FunctionStore::load() const {
  std::vector<History> histories;
  for (const std::string& file : sys::list_directory(directory_)) {
    if (file.ends_with(".tmp")) sys::remove_tree(directory_ / file);  // of a write cut short
    if (!file.ends_with(kSuffix)) continue;
    const std::string name = file.substr(0, file.size() - kSuffix.size());
    try {
      histories.push_back(read_history(directory_ / file, name));
    } catch (const std::exception& error) {
      const std::filesystem::path aside = directory_ / (name + std::string(kSetAside));
      std::error_code ignored;
      std::filesystem::rename(directory_ / file, aside, ignored);
      log_.error("function_set_aside",
                 {{"function", name}, {"file", aside.string()}, {"reason", error.what()}});
    }
  }
  std::sort(histories.begin(), histories.end(),
            [](const History& a, const History& b) { return a.current.name < b.current.name; });
  return histories;
}

void FunctionStore::save(const History& history) const {
  const std::string text = to_text(history);
  if (text.size() > bounds::kMaxFunctionFile) {
    throw sys::Refused(sys::Refusal::too_large, "function_too_large",
                       "the function's environment and command take more than " +
                           std::to_string(bounds::kMaxFunctionFile) + " bytes of JSON");
  }
  try {
    sys::write_file_durably(path_of(history.current.name), text);
  } catch (const std::system_error& error) {
    throw sys::Refused(sys::Refusal::failed, "not_recorded",
                       std::string("the function could not be recorded: ") + error.what());
  }
}

void FunctionStore::remove(const std::string& name) const {
  sys::remove_tree(path_of(name));
  sys::sync_directory(directory_);
}

std::vector<std::string> FunctionStore::set_aside() const {
  std::vector<std::string> files = sys::list_directory(directory_);
  std::erase_if(files, [](const std::string& file) { return !file.ends_with(kSetAside); });
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace function

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

Function read_function(const std::filesystem::path& path, const std::string& name) {
  const std::string text = sys::read_file(path, bounds::kMaxFunctionFile);
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    throw sys::Refused(sys::Refusal::invalid, "corrupt_function", "it is no JSON");
  }
  Function function = function_from_json(json);
  if (function.name != name) {
    throw sys::Refused(sys::Refusal::invalid, "corrupt_function",
                       "it names another function, '" + function.name + "'");
  }
  return function;
}

}  // namespace

FunctionStore::FunctionStore(const std::filesystem::path& state_dir, const sys::Log& log)
    : directory_(state_dir / "functions"), log_(log) {
  sys::make_directory(directory_, 0700);
}

std::filesystem::path FunctionStore::path_of(const std::string& name) const {
  return directory_ / (name + std::string(kSuffix));
}

std::vector<Function> FunctionStore::load() const {
  std::vector<Function> functions;
  for (const std::string& file : sys::list_directory(directory_)) {
    if (file.ends_with(".tmp")) sys::remove_tree(directory_ / file);  // of a write cut short
    if (!file.ends_with(kSuffix)) continue;
    const std::string name = file.substr(0, file.size() - kSuffix.size());
    try {
      functions.push_back(read_function(directory_ / file, name));
    } catch (const std::exception& error) {
      std::error_code ignored;
      std::filesystem::rename(directory_ / file, directory_ / (file + ".corrupt"), ignored);
      log_.error("function_set_aside", {{"function", name},
                                        {"file", (directory_ / (file + ".corrupt")).string()},
                                        {"reason", error.what()}});
    }
  }
  std::sort(functions.begin(), functions.end(),
            [](const Function& a, const Function& b) { return a.name < b.name; });
  return functions;
}

void FunctionStore::save(const Function& function) const {
  try {
    sys::write_file_durably(
        path_of(function.name),
        to_json(function).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  } catch (const std::system_error& error) {
    throw sys::Refused(sys::Refusal::failed, "not_recorded",
                       std::string("the function could not be recorded: ") + error.what());
  }
}

void FunctionStore::remove(const std::string& name) const {
  sys::remove_tree(path_of(name));
  sys::sync_directory(directory_);
}

}  // namespace function

// Functions on disk: `<state>/functions/<name>.json`, one file each, replaced as a whole. Reads
// them all once, at start. Not thread-safe for one name; the Operator serialises by name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "faasd/function/history.h"
#include "oci/sys/log.h"

namespace function {

class FunctionStore {
 public:
  FunctionStore(const std::filesystem::path& state_dir, const sys::Log& log);

  // Every function whose file can be read. One that cannot is renamed to `<name>.json.corrupt`,
  // named in the log, and left for a person to look at.
  std::vector<History> load() const;
  // Durable when it returns; throws sys::Refused(failed, "not_recorded"), or (too_large,
  // "function_too_large") for what `load` would not read, and leaves the old file.
  void save(const History& history) const;
  void remove(const std::string& name) const;

  // The files that were renamed by this or an earlier `load` and still lie there: whatever images
  // they name cannot be known.
  std::vector<std::string> set_aside() const;

 private:
  std::filesystem::path path_of(const std::string& name) const;

  std::filesystem::path directory_;
  const sys::Log& log_;
};

}  // namespace function

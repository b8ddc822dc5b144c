// Functions on disk: `<state>/functions/<name>.json`, one file each, replaced as a whole. Reads
// them all once, at start. Not thread-safe for one name; the Operator serialises by name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "faasd/function/function.h"
#include "oci/sys/log.h"

namespace function {

class FunctionStore {
 public:
  FunctionStore(const std::filesystem::path& state_dir, const sys::Log& log);

  // Every function whose file can be read. One that cannot is renamed to `<name>.json.corrupt`,
  // named in the log, and left for a person to look at.
  std::vector<Function> load() const;
  // Durable when it returns; throws sys::Refused(failed, "not_recorded") and leaves the old file.
  void save(const Function& function) const;
  void remove(const std::string& name) const;

 private:
  std::filesystem::path path_of(const std::string& name) const;

  std::filesystem::path directory_;
  const sys::Log& log_;
};

}  // namespace function

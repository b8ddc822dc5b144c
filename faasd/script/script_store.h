// Uploaded scripts and their versions, wherever they are kept. A path is what the uploader called
// it, byte for byte. Thread-safe: every HTTP thread calls it. Throws sys::Refused: (unavailable,
// "store_unavailable") that names the store and says what to do, (exhausted, "store_full"),
// (failed, "corrupt_store" or "corrupt_script") for what cannot be read as it stands there,
// (too_large, "script_too_large").
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace script {

struct Upload {
  std::string path;
  std::string language;
  std::string code;
  std::string compiled;  // what the language made of the code, opaque; may be empty
};

// One version of a script.
struct Script : Upload {
  std::uint64_t version = 0;
};

struct Listed {
  std::string path;
  std::string language;  // of the latest version
  std::uint64_t latest = 0;
};

struct Versions : Listed {
  std::vector<std::uint64_t> versions;  // the newest first
};

class ScriptStore {
 public:
  virtual ~ScriptStore() = default;

  // Where it is, for logs and people; without a password.
  virtual const std::string& name() const noexcept = 0;

  // Returns the version: Unix time in seconds, unique for the path and larger than those before it;
  // two uploads in one second get two. It is durable, as far as the store is. The oldest beyond
  // function::bounds::kMaxScriptVersions go. After a `remove`, a path starts anew.
  virtual std::uint64_t add(const Upload& upload) = 0;

  // The latest, unless a version is given. Empty if there is no such path or version.
  virtual std::optional<Script> find(const std::string& path,
                                     std::optional<std::uint64_t> version) = 0;

  // Keeps `script.compiled` with a version that `find` gave without it, unless that has gone or has
  // other code by now.
  virtual void keep_compiled(const Script& script) = 0;

  virtual std::optional<Versions> versions(const std::string& path) = 0;

  // Sorted by the bytes of the path: those behind `after` ("" is the start), at most `most` of them
  // and at most function::bounds::kMaxListedScripts.
  virtual std::vector<Listed> list(const std::string& after, std::size_t most) = 0;

  // With all its versions. False if there was none.
  virtual bool remove(const std::string& path) = 0;
};

// Throws Refused(too_large, "script_too_large") for what no store keeps, and (invalid, "bad_path")
// for an empty path.
void check_bounds(const Upload& upload);

// What the clock says a version is now.
std::uint64_t version_now();

}  // namespace script

// Scripts as their owner sees them: uploaded under a path, in versions, or run as they are sent. A
// script is a run of its language's function, with its code and its input as the request. HTTP
// threads call it; thread-safe. docs/API.md, "Scripts".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "faasd/script/bounds.h"
#include "faasd/script/runner.h"
#include "faasd/script/script_store.h"
#include "faasd/script/verdict.h"

namespace script {

// Code that its language's compiler does not take; the JSON is for the client.
class CompileError : public std::runtime_error {
 public:
  explicit CompileError(Verdict verdict)
      : std::runtime_error("the code cannot be compiled"), verdict_(std::move(verdict)) {}
  const Verdict& verdict() const noexcept { return verdict_; }

 private:
  Verdict verdict_;
};

// Whether a client that waits has left; asked now and then.
using HasLeft = std::function<bool()>;

// The end of a run. Empty if its client has left: then the run is stopped.
std::shared_ptr<const End> wait_for(Audience& audience, const HasLeft& has_left);

class Scripts {
 public:
  Scripts(sys::EventLoop& loop, serve::Dispatcher& dispatcher, std::unique_ptr<ScriptStore> store,
          std::size_t code_bytes)
      : runner_(loop, dispatcher), store_(std::move(store)), code_bytes_(code_bytes) {}

  // These throw sys::Refused, and CompileError where there is something to compile. `input` is
  // JSON, as it is written.
  struct Uploaded {
    std::string path;
    std::string language;
    std::uint64_t version = 0;
  };
  Uploaded upload(const std::string& path, const std::string& language, const std::string& code,
                  const HasLeft& has_left);
  // Nothing if there is no such path or version.
  std::unique_ptr<Audience> run(const std::string& path, std::optional<std::uint64_t> version,
                                std::string_view input, const HasLeft& has_left);
  std::unique_ptr<Audience> run_now(const std::string& language, const std::string& code,
                                    std::string_view input);

  Runner& runner() noexcept { return runner_; }
  ScriptStore& store() noexcept { return *store_; }
  std::size_t code_bytes() const noexcept { return code_bytes_; }

 private:
  void check_code(const std::string& code) const;
  function::Function find_language(const std::string& word) const;
  // Of one that is stored: that there is none is not the caller's fault.
  function::Function language_of(const Script& script) const;
  std::string compile(const function::Function& language, const std::string& code,
                      const HasLeft& has_left);
  std::unique_ptr<Audience> start(const function::Function& language, const std::string& code,
                                  const std::string& compiled, std::string_view input);

  Runner runner_;
  std::unique_ptr<ScriptStore> store_;
  const std::size_t code_bytes_;
};

// A path, which is kept byte for byte as it was sent. Throws sys::Refused(invalid, "bad_path") for
// what is no path of a script: "..", "." between slashes, NUL, nothing.
std::string check_path(std::string_view path);

}  // namespace script

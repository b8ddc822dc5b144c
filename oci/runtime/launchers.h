// The launchers of a daemon: an OCI runtime's and our own. Each function is made by the one it
// names, or else by the one that the daemon was told. Owned by main; loop thread.
#pragma once

#include <filesystem>
#include <string>

#include "oci/runtime/native/native_launcher.h"
#include "oci/runtime/oci_launcher.h"

namespace runtime {

class Launchers {
 public:
  struct Places {
    std::filesystem::path root;     // an OCI runtime's own, for its state
    std::filesystem::path bundles;  // what is of a container
    std::filesystem::path sockets;  // in memory, for the native launcher
  };

  // `name` is "native", or the program of an OCI runtime, which is runc for who asks for another
  // than native by default. Warns of known holes of that runtime.
  Launchers(sys::EventLoop& loop, const sys::Log& log, const sys::CgroupTree& cgroups,
            ConnectBroker& broker, const std::string& name, const Places& places);

  const std::string& default_name() const noexcept { return default_name_; }
  // What a function is to remember of a launcher that it names, for another daemon's sake: "runc"
  // for the OCI runtime of whichever daemon it is, so that a path need not be known to the next
  // one.
  std::string word_for(const std::string& name) const;
  // Empty: the default; "runc": the OCI runtime, whichever it is. Throws sys::Refused(invalid,
  // "unknown_launcher"): whoever may deploy must not thereby choose which program root runs. Any
  // thread.
  Launcher& get(const std::string& name);
  OciLauncher& oci() noexcept { return oci_; }

 private:
  const std::string default_name_;
  OciLauncher oci_;
  native::NativeLauncher native_;
};

}  // namespace runtime

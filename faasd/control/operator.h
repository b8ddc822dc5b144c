// What the owner wants: deploy, remove, look. Every step of a deploy is owned by an object and
// undone by its destructor, so whatever throws leaves the machine as it was. Called from HTTP
// threads; thread-safe. What concerns the request path is posted to the event loop.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faasd/function/history.h"
#include "faasd/journal/journal.h"
#include "faasd/serve/tally.h"
#include "oci/image/image.h"
#include "oci/image/image_store.h"
#include "oci/runtime/host_ids.h"

namespace control {

// A function as the owner sees it. A value; the counts are of the moment of the call.
struct FunctionStatus {
  function::Function function;
  runtime::HostIds host_ids;
  std::shared_ptr<const image::Image> image;
  std::uint64_t live = 0;    // instances that are launching or serving
  std::uint64_t parked = 0;  // instances that wait for a connection
  std::uint64_t queued = 0;  // connections that wait for an instance
  std::uint64_t invocations = 0;
  std::string snapshot;           // of a branched function, for people
  std::size_t kept_versions = 1;  // the current one included
};

struct Collected {
  image::Freed freed;
  // Files of functions that cannot be read: images that no other function names were kept for them.
  std::vector<std::string> unread;
};

class Operator;

// One deploy on its way: bytes in, a running function out. Destroyed before `finish` has returned:
// nothing is recorded and nothing stays. One thread.
class Deploy {
 public:
  virtual ~Deploy() = default;
  virtual void write(std::string_view bytes) = 0;  // throws sys::Refused
  virtual FunctionStatus finish() = 0;             // throws sys::Refused
};

class Operator {
 public:
  virtual ~Operator() = default;

  // Throws sys::Refused at once for a bad name, before a byte of the body is read. A known name is
  // replaced: same address, version n+1, no connection refused.
  virtual std::unique_ptr<Deploy> begin_deploy(const std::string& name,
                                               const function::Options& options,
                                               const image::Selection& selection,
                                               const std::string& layer_request) = 0;
  // Which layers of an image a deploy has to bring: image/layer_requests.h.
  virtual image::LayerAnswer request_layers(const std::vector<std::string>& diff_ids) = 0;
  // The deploy that was to bring them is refused. Nothing if there is no such request (any more).
  virtual void drop_layer_request(const std::string& id) = 0;
  // Version n+1 with everything of an earlier one that is kept; without a number, of the one before
  // the current. As a deploy in all else. Throws sys::Refused(not_found) for a function or version
  // that there is not.
  virtual FunctionStatus rollback(const std::string& name,
                                  std::optional<std::uint64_t> version) = 0;
  // Those that are kept, the current one first. Throws sys::Refused(not_found).
  virtual std::vector<function::Version> versions(const std::string& name) = 0;
  // Stops accepting, lets running instances finish, forgets the function, releases its address and
  // its images. Throws sys::Refused(not_found).
  virtual void remove(const std::string& name) = 0;
  // Frees images that no kept version of any function names, and what no image needs; returns when
  // the disk has it back.
  virtual Collected collect_garbage() = 0;
  virtual std::optional<FunctionStatus> find(const std::string& name) = 0;
  virtual std::vector<FunctionStatus> list() = 0;  // sorted by name
  // The receipts and the output of a function's instances. Throws sys::Refused(not_found).
  virtual std::shared_ptr<journal::Book> book(const std::string& name) = 0;
  virtual serve::Metrics metrics() = 0;
};

}  // namespace control

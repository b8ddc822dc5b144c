// Server-sent events out of the pieces in which they arrive: each event's name and data. Comments,
// which keep a silent connection alive, and numbers are passed over. HTML standard, 9.2. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cli {

class EventReader {
 public:
  // `name` is "message" if the event has none of its own.
  using OnEvent = std::function<void(const std::string& name, const std::string& data)>;

  explicit EventReader(OnEvent on_event) : on_event_(std::move(on_event)) {}

  // Throws Failure(no_daemon) for a line that no true event has: it is not faasd that speaks.
  void take(std::string_view bytes);

 private:
  void take_line(std::string_view line);

  OnEvent on_event_;
  std::string line_;  // begun
  std::string name_;
  std::string data_;
};

}  // namespace cli

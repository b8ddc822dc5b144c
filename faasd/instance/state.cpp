#include "faasd/instance/state.h"

#include <cstdio>
#include <cstdlib>

namespace instance {
namespace {

// An impossible transition is a bug of ours; going on would hand a socket to the wrong container.
[[noreturn]] void impossible(State state, Event event) {
  std::fprintf(stderr, "faasd: impossible event %d for an instance in state %.*s\n",
               static_cast<int>(event), static_cast<int>(to_word(state).size()),
               to_word(state).data());
  std::abort();
}

}  // namespace

State advance(State state, Event event) {
  const bool running =
      state == State::launching || state == State::parked || state == State::serving;
  switch (event) {
    case Event::connected:
      if (state == State::launching) return State::parked;
      break;
    case Event::handed_off:
      if (state == State::parked) return State::serving;
      break;
    case Event::ended:
      if (running) return State::exited;
      if (state == State::killed) return State::killed;
      break;
    case Event::kill:
      if (running) return State::killed;
      break;
    case Event::swept:
      if (state == State::exited || state == State::killed) return State::gone;
      break;
  }
  impossible(state, event);
}

std::string_view to_word(State state) {
  switch (state) {
    case State::launching:
      return "launching";
    case State::parked:
      return "parked";
    case State::serving:
      return "serving";
    case State::exited:
      return "exited";
    case State::killed:
      return "killed";
    case State::gone:
      return "gone";
  }
  return "unknown";
}

}  // namespace instance

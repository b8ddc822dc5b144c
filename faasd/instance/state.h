// The life of an instance as an enum and one function. Nothing else decides what may follow what.
//
//   launching ── connected ──> parked ── handed_off ──> serving ── ended ──> exited ── swept ──>
//   gone
//       │                        │                         │                    ▲
//       ├──────── ended ─────────┴───────── ended ──────────────────────────────┘
//       └──────── kill ───────── kill ──── kill ──> killed ── swept ──> gone
#pragma once

#include <string_view>

namespace instance {

enum class State {
  launching,  // the runtime is at work, or the handler has not connected to /control.sock yet
  parked,     // the handler waits in recvmsg(2); what it waits for may already be on its way
  serving,    // the handler has the client's socket
  exited,     // the container is over by itself, or never came to be; being swept
  killed,     // we ended it; being swept
  gone,       // no process, mount, cgroup, directory or descriptor is left
};

enum class Event {
  connected,   // the handler connected to /control.sock
  handed_off,  // it has taken the socket
  ended,       // the container's first process has ended, or its launch has failed
  kill,        // deadline, drain or removal
  swept,       // everything it had is removed
};

// Asserts that the event is possible in that state: the callers make sure of it.
State advance(State state, Event event);

std::string_view to_word(State state);

}  // namespace instance

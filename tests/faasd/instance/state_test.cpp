#include "faasd/instance/state.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <map>

using instance::advance;
using instance::Event;
using instance::State;

namespace {

const std::map<std::pair<State, Event>, State> kPossible = {
    {{State::launching, Event::connected}, State::parked},
    {{State::launching, Event::ended}, State::exited},
    {{State::launching, Event::kill}, State::killed},
    {{State::parked, Event::handed_off}, State::serving},
    {{State::parked, Event::ended}, State::exited},
    {{State::parked, Event::kill}, State::killed},
    {{State::serving, Event::ended}, State::exited},
    {{State::serving, Event::kill}, State::killed},
    {{State::killed, Event::ended}, State::killed},
    {{State::exited, Event::swept}, State::gone},
    {{State::killed, Event::swept}, State::gone},
};

bool aborts(State state, Event event) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGABRT, SIG_DFL);  // the test framework's own handler would report a failure
    ::close(STDERR_FILENO);
    advance(state, event);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status);
}

}  // namespace

TEST_CASE("every state and event either leads where the table says or is impossible") {
  for (const State state : {State::launching, State::parked, State::serving, State::exited,
                            State::killed, State::gone}) {
    for (const Event event :
         {Event::connected, Event::handed_off, Event::ended, Event::kill, Event::swept}) {
      CAPTURE(instance::to_word(state));
      CAPTURE(static_cast<int>(event));
      const auto it = kPossible.find({state, event});
      if (it != kPossible.end()) {
        CHECK(advance(state, event) == it->second);
      } else {
        CHECK(aborts(state, event));
      }
    }
  }
}

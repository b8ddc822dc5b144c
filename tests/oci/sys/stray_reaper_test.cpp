#include "oci/sys/stray_reaper.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <functional>

#include "oci/sys/file.h"
#include "oci/sys/subprocess.h"

using std::chrono::milliseconds;

namespace {

std::string children() {
  const std::string self = std::to_string(::getpid());
  return sys::read_file("/proc/self/task/" + self + "/children", 1U << 20);
}

}  // namespace

TEST_CASE("what a process leaves to us is reaped, all at once, and what has an owner is not") {
  sys::EventLoop loop;
  const sys::StrayReaper reaper(loop, milliseconds(100));
  sys::Subprocess owned({.argv = {"true"}});
  // They outlive their parent, and end when nobody can write to them any more.
  sys::Pipe pipe = sys::make_pipe();
  sys::Subprocess parent({.argv = {"sh", "-c",
                                   "exec 3<&0; i=0; "
                                   "while [ $i -lt 20 ]; do cat <&3 & i=$((i+1)); done"},
                          .stdin_fd = pipe.read_end.get()});
  CHECK(parent.wait().success());
  CHECK(owned.wait().success());
  CHECK_FALSE(children().empty());
  pipe.write_end.reset();
  int looks = 0;
  sys::EventLoop::Timer timer;
  const std::function<void()> look = [&] {
    if (children().empty() || ++looks == 1000) return loop.stop();
    timer = loop.after(milliseconds(10), look);
  };
  timer = loop.after(milliseconds(0), look);
  loop.run();
  CHECK(children().empty());
  CHECK(looks < 100);
}

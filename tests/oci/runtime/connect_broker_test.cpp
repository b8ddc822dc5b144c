// Containers and what they try: tests/e2e/sockets_test.py. Here is what comes from a runtime.
#include "oci/runtime/connect_broker.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "oci/sys/error.h"
#include "oci/sys/socket.h"
#include "tests/support/scratch.h"

namespace {

const sys::Log& quiet() {
  static const sys::Log log(sys::LogLevel::error, sys::LogFormat::text);
  return log;
}

// As a runtime does it: a message with a descriptor, then the end.
class Runtime {
 public:
  explicit Runtime(const std::filesystem::path& socket)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  }
  void say(std::string_view text, int descriptor) {
    REQUIRE(sys::send_descriptor(fd_.get(), text, descriptor));
  }
  void end() { fd_.reset(); }

 private:
  sys::UniqueFd fd_;
};

// Whether the other end of a pipe has been closed by all who had it. Waits for it.
bool is_closed(int read_end) {
  char byte = 0;
  return ::read(read_end, &byte, 1) == 0;
}

}  // namespace

TEST_CASE("what a runtime sends is closed if it is no listener, or of nobody we know") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  const runtime::ConnectBroker::Client client(broker, "known");
  for (const std::string state : {"", "no JSON", "[]", R"({"metadata":7})",
                                  R"({"metadata":"another"})", R"({"metadata":"known"})"}) {
    CAPTURE(state);
    sys::Pipe pipe = sys::make_pipe();
    Runtime runtime(broker.socket());
    runtime.say(state.empty() ? " " : state, pipe.write_end.get());
    pipe.write_end.reset();
    runtime.end();
    CHECK(is_closed(pipe.read_end.get()));
  }
  CHECK(client.escapes() == 0);
}

TEST_CASE("a runtime that says nothing stands in nobody's way") {
  if (::geteuid() != 0) {
    MESSAGE("SKIP: a root directory of one's own needs root");
    return;
  }
  const support::Scratch scratch;
  runtime::ConnectBroker broker(scratch.path() / "broker.sock", quiet());
  const Runtime silent(broker.socket());
  sys::Pipe pipe = sys::make_pipe();
  Runtime runtime(broker.socket());
  runtime.say("{}", pipe.write_end.get());
  pipe.write_end.reset();
  CHECK(is_closed(pipe.read_end.get()));  // though its connection goes on
}

TEST_CASE("a socket whose path runtimes cannot write is refused, and names the flag") {
  const support::Scratch scratch;
  const std::filesystem::path deep = scratch.path() / std::string(100, 'd');
  std::filesystem::create_directory(deep);
  try {
    const runtime::ConnectBroker broker(deep / "broker.sock", quiet());
    FAIL("made");
  } catch (const sys::Refused& refused) {
    CHECK(refused.code() == "long_path");
    CHECK(std::string(refused.what()).find("--run-dir") != std::string::npos);
  }
}
